// /auth: tokens (issue, show, check, revoke), the catalog, and where a user may go.

import { CumuletError } from '#base';
import { DOMAIN, PROJECT } from '#model';
import type { Reply, RequestContext } from '../http/context.ts';
import { HttpFault } from '../http/faults.ts';
import { PUBLIC, type Route, route } from '../http/route.ts';
import { Authenticator, authSchema } from './authenticate.ts';
import type { TokenService, TokenView } from './tokens.ts';
import { catalogView, collection, domainView, projectView, tokenView } from './views.ts';

export function authRoutes(tokens: TokenService): Route[] {
  const subjectOf = (context: RequestContext): TokenView => {
    const token = context.header('x-subject-token');
    if (token === undefined) throw new CumuletError('invalid', 'Expecting to find X-Subject-Token in the headers.');
    const view = tokens.view(token);
    if (view === undefined) throw new CumuletError('not_found', 'Could not recognize Fernet token');
    const { auth } = context;
    const may = view.user.id === auth.userId || auth.isAdmin || auth.roles.includes('service');
    if (!may)
      throw new HttpFault(403, 'You are not authorized to perform the requested action: identity:validate_token.');
    return view;
  };
  const show = async (context: RequestContext): Promise<Reply> => {
    const view = subjectOf(context);
    const body = { token: tokenView(view, context, !context.search.has('nocatalog')) };
    return {
      status: 200,
      body,
      headers: { 'X-Subject-Token': context.header('x-subject-token') ?? '', Vary: 'X-Auth-Token' },
    };
  };
  return [
    route({
      method: 'POST',
      path: '/auth/tokens',
      rule: PUBLIC,
      body: authSchema,
      async handler(context) {
        const issued = await new Authenticator(context.records, tokens).authenticate(context.body.auth);
        const view = tokens.viewOf(issued.payload)!;
        const body = { token: tokenView(view, context, !context.search.has('nocatalog')) };
        return { status: 201, body, headers: { 'X-Subject-Token': issued.token, Vary: 'X-Auth-Token' } };
      },
    }),
    route({ method: 'GET', path: '/auth/tokens', rule: 'identity:validate_token', handler: show }),
    route({ method: 'HEAD', path: '/auth/tokens', rule: 'identity:check_token', handler: show }),
    route({
      method: 'DELETE',
      path: '/auth/tokens',
      rule: 'identity:revoke_token',
      async handler(context) {
        await tokens.revoke(subjectOf(context).payload);
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/auth/catalog',
      rule: 'identity:get_auth',
      async handler(context) {
        const catalog = catalogView(context.catalog, context.components.region, context);
        return { status: 200, body: collection('catalog', catalog, context) };
      },
    }),
    route({
      method: 'GET',
      path: '/auth/projects',
      rule: 'identity:get_auth',
      async handler(context) {
        const ids = tokens.grants.targets(context.auth.userId, 'project');
        const projects = context.records.peekList(PROJECT, (project) => project.enabled && ids.has(project.id));
        const views = projects.map(({ value }) => projectView(value, context));
        return { status: 200, body: collection('projects', views, context) };
      },
    }),
    route({
      method: 'GET',
      path: '/auth/domains',
      rule: 'identity:get_auth',
      async handler(context) {
        const ids = tokens.grants.targets(context.auth.userId, 'domain');
        const domains = context.records.peekList(DOMAIN, (domain) => domain.enabled && ids.has(domain.id));
        const views = domains.map(({ value }) => domainView(value, context));
        return { status: 200, body: collection('domains', views, context) };
      },
    }),
    route({
      method: 'GET',
      path: '/auth/system',
      rule: 'identity:get_auth',
      async handler(context) {
        const held = tokens.grants.targets(context.auth.userId, 'system').size > 0;
        return { status: 200, body: collection('system', held ? [{ all: true }] : [], context) };
      },
    }),
  ];
}
