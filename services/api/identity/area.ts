// The identity area: Keystone's API v3 under /identity.

import type { RequestContext } from '../http/context.ts';
import { KEYSTONE } from '../http/dialects.ts';
import { type Area, PUBLIC, route } from '../http/route.ts';
import { authRoutes } from './routes-auth.ts';
import { CATALOG_ROUTES } from './routes-catalog.ts';
import { GROUP_ROUTES } from './routes-groups.ts';
import { PROJECT_ROUTES } from './routes-projects.ts';
import { ROLE_ROUTES } from './routes-roles.ts';
import { userAndCredentialRoutes } from './routes-users.ts';
import { IDENTITY_RULES } from './rules.ts';
import type { TokenService } from './tokens.ts';

const version = (context: RequestContext) => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: context.url('/identity/v3/') }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
});

export function identityArea(tokens: TokenService): Area {
  return {
    name: 'identity',
    dialect: KEYSTONE,
    prefix: '/identity',
    root: '/v3',
    documents: [
      route({
        method: 'GET',
        path: '/',
        rule: PUBLIC,
        async handler(context) {
          const body = { versions: { values: [version(context)] } };
          return { status: 300, body, headers: { Location: context.url('/identity/v3/') } };
        },
      }),
      route({
        method: 'GET',
        path: '/v3',
        rule: PUBLIC,
        handler: async (context) => ({ status: 200, body: { version: version(context) } }),
      }),
    ],
    routes: [
      ...authRoutes(tokens),
      ...PROJECT_ROUTES,
      ...userAndCredentialRoutes(tokens),
      ...GROUP_ROUTES,
      ...ROLE_ROUTES,
      ...CATALOG_ROUTES,
    ],
    rules: IDENTITY_RULES,
    catalog: [{ type: 'identity', name: 'keystone', path: '/identity' }],
  };
}
