// /domains and /projects. Deleting either takes with it what cannot live without it: role assignments on it and, for a
// domain, everything inside. A domain must be disabled first, as Keystone asks.

import { z } from 'zod';
import { CumuletError, newHexId } from '#base';
import {
  APPLICATION_CREDENTIAL,
  ASSIGNMENT,
  DEFAULT_DOMAIN,
  DOMAIN,
  type Domain,
  PROJECT,
  type Project,
  USER,
  USER_GROUP,
} from '#model';
import type { Tx } from '#store';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { type Filter, find, list, missing, patched, present, targetDomain } from './resource.ts';
import { domainView, projectView } from './views.ts';

const name = z.string().min(1).max(64);
const description = z.string().max(65_535).nullish();
const tags = z
  .array(
    z
      .string()
      .min(1)
      .max(255)
      .regex(/^[^,/]*$/),
  )
  .max(80);

const domainFields = {
  name,
  description,
  enabled: z.boolean().optional(),
  tags: tags.optional(),
  options: z.object({}).optional(),
};
const createDomain = z.object({ domain: z.object({ ...domainFields, explicit_domain_id: z.string().optional() }) });
const updateDomain = z.object({ domain: z.object(domainFields).partial() });

const projectFields = {
  ...domainFields,
  domain_id: z.string().nullish(),
  parent_id: z.string().nullish(),
  is_domain: z.literal(false).optional(),
};
const createProject = z.object({ project: z.object(projectFields) });
const updateProject = z.object({ project: z.object(projectFields).partial() });

const domainFilter: Filter<Domain> = { name: (domain) => domain.name, enabled: (domain) => domain.enabled };
const projectFilter: Filter<Project> = {
  name: (project) => project.name,
  enabled: (project) => project.enabled,
  domain_id: (project) => project.domainId,
  parent_id: (project) => project.parentId,
};

const withTags = (item: { readonly tags: readonly string[] }, search: URLSearchParams): boolean => {
  const listOf = (key: string): string[] | undefined => search.get(key)?.split(',');
  const has = (tag: string): boolean => item.tags.includes(tag);
  return (
    (listOf('tags')?.every(has) ?? true) &&
    (listOf('tags-any')?.some(has) ?? true) &&
    !(listOf('not-tags')?.every(has) ?? false) &&
    !(listOf('not-tags-any')?.some(has) ?? false)
  );
};

function deleteProject(tx: Tx, id: string): void {
  tx.delete(PROJECT, id);
  for (const each of tx.list(ASSIGNMENT, (held) => held.targetType === 'project' && held.targetId === id)) {
    tx.delete(ASSIGNMENT, ASSIGNMENT.id(each));
  }
  for (const each of tx.list(APPLICATION_CREDENTIAL, (credential) => credential.projectId === id)) {
    tx.delete(APPLICATION_CREDENTIAL, each.id);
  }
}

const domainRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/domains',
    rule: 'identity:list_domains',
    handler: (context) =>
      list(context, {
        key: 'domains',
        kind: DOMAIN,
        filter: domainFilter,
        view: domainView,
      }),
  }),
  route({
    method: 'POST',
    path: '/domains',
    rule: 'identity:create_domain',
    body: createDomain,
    async handler(context) {
      const given = context.body.domain;
      const domain: Domain = {
        id: given.explicit_domain_id ?? newHexId(),
        name: given.name,
        description: given.description ?? '',
        enabled: given.enabled ?? true,
        tags: given.tags ?? [],
      };
      await context.records.transact((tx) => tx.create(DOMAIN, domain));
      return { status: 201, body: { domain: domainView(domain, context) } };
    },
  }),
  route({
    method: 'GET',
    path: '/domains/:domain_id',
    rule: 'identity:get_domain',
    async handler(context) {
      const domain = await find(context, DOMAIN, 'domain', context.param('domain_id'));
      return { status: 200, body: { domain: domainView(domain, context) } };
    },
  }),
  route({
    method: 'PATCH',
    path: '/domains/:domain_id',
    rule: 'identity:update_domain',
    body: updateDomain,
    async handler(context) {
      const id = context.param('domain_id');
      const { description: text, ...given } = context.body.domain;
      const domain = await context.records.transact((tx) => {
        const old = tx.get(DOMAIN, id);
        if (old === undefined) throw missing('domain', id);
        const next = patched(old, {
          name: given.name,
          enabled: given.enabled,
          tags: given.tags,
          description: text ?? undefined,
        });
        tx.update(DOMAIN, next);
        return next;
      });
      return { status: 200, body: { domain: domainView(domain, context) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/domains/:domain_id',
    rule: 'identity:delete_domain',
    async handler(context) {
      const id = context.param('domain_id');
      const domain = await find(context, DOMAIN, 'domain', id);
      if (domain.enabled) {
        throw new CumuletError(
          'forbidden',
          'You are not authorized to perform the requested action: delete a domain that is enabled. Disable it first.',
        );
      }
      if (id === DEFAULT_DOMAIN) throw new CumuletError('forbidden', 'The default domain cannot be deleted.');
      for (const { value } of await context.records.list(PROJECT, (each) => each.domainId === id)) {
        await context.records.transact((tx) => deleteProject(tx, value.id));
      }
      await context.records.transact((tx) => {
        for (const user of tx.list(USER, (each) => each.domainId === id)) tx.delete(USER, user.id);
        for (const group of tx.list(USER_GROUP, (each) => each.domainId === id)) tx.delete(USER_GROUP, group.id);
        for (const each of tx.list(ASSIGNMENT, (held) => held.targetType === 'domain' && held.targetId === id)) {
          tx.delete(ASSIGNMENT, ASSIGNMENT.id(each));
        }
        tx.delete(DOMAIN, id);
      });
      return { status: 204 };
    },
  }),
];

const projectRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/projects',
    rule: 'identity:list_projects',
    async handler(context) {
      // Domains are no projects here, though Keystone keeps them as such.
      const none = context.search.get('is_domain')?.toLowerCase() === 'true';
      const listing = {
        key: 'projects',
        kind: PROJECT,
        filter: projectFilter,
        view: projectView,
      };
      return list(context, listing, (project) => !none && withTags(project, context.search));
    },
  }),
  route({
    method: 'POST',
    path: '/projects',
    rule: 'identity:create_project',
    body: createProject,
    async handler(context) {
      const given = context.body.project;
      const domainId = targetDomain(context, given.domain_id);
      const project: Project = {
        id: newHexId(),
        name: given.name,
        domainId,
        parentId: given.parent_id ?? domainId,
        description: given.description ?? '',
        enabled: given.enabled ?? true,
        tags: given.tags ?? [],
      };
      await context.records.transact((tx) => {
        if (tx.get(DOMAIN, domainId) === undefined) throw missing('domain', domainId);
        const parent = project.parentId === domainId ? undefined : tx.get(PROJECT, project.parentId);
        if (project.parentId !== domainId && parent?.domainId !== domainId) throw missing('project', project.parentId);
        tx.create(PROJECT, project);
      });
      return { status: 201, body: { project: projectView(project, context) } };
    },
  }),
  route({
    method: 'GET',
    path: '/projects/:project_id',
    rule: 'identity:get_project',
    async handler(context) {
      const project = await find(context, PROJECT, 'project', context.param('project_id'));
      return { status: 200, body: { project: projectView(project, context) } };
    },
  }),
  route({
    method: 'PATCH',
    path: '/projects/:project_id',
    rule: 'identity:update_project',
    body: updateProject,
    async handler(context) {
      const given = context.body.project;
      const project = await changeProject(context, (old) =>
        patched(old, {
          name: given.name,
          enabled: given.enabled,
          tags: given.tags,
          description: given.description ?? undefined,
        }),
      );
      return { status: 200, body: { project: projectView(project, context) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/projects/:project_id',
    rule: 'identity:delete_project',
    async handler(context) {
      const id = context.param('project_id');
      await find(context, PROJECT, 'project', id);
      await context.records.transact((tx) => deleteProject(tx, id));
      return { status: 204 };
    },
  }),
];

async function changeProject(context: RequestContext, change: (old: Project) => Project): Promise<Project> {
  const id = context.param('project_id');
  return context.records.transact((tx) => {
    const old = present(context, PROJECT, 'project', id, tx.get(PROJECT, id));
    const next = change(old);
    tx.update(PROJECT, next);
    return next;
  });
}

const tagRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/projects/:project_id/tags',
    rule: 'identity:list_project_tags',
    async handler(context) {
      const project = await find(context, PROJECT, 'project', context.param('project_id'));
      return {
        status: 200,
        body: { tags: project.tags, links: { self: context.url(context.path), next: null, previous: null } },
      };
    },
  }),
  route({
    method: 'PUT',
    path: '/projects/:project_id/tags',
    rule: 'identity:update_project_tags',
    body: z.object({ tags }),
    async handler(context) {
      const project = await changeProject(context, (old) => ({ ...old, tags: [...new Set(context.body.tags)] }));
      return {
        status: 200,
        body: { tags: project.tags, links: { self: context.url(context.path), next: null, previous: null } },
      };
    },
  }),
  route({
    method: 'DELETE',
    path: '/projects/:project_id/tags',
    rule: 'identity:delete_project_tags',
    async handler(context) {
      await changeProject(context, (old) => ({ ...old, tags: [] }));
      return { status: 204 };
    },
  }),
  route({
    method: 'GET',
    path: '/projects/:project_id/tags/:tag',
    rule: 'identity:get_project_tag',
    async handler(context) {
      const project = await find(context, PROJECT, 'project', context.param('project_id'));
      if (!project.tags.includes(context.param('tag'))) throw missing('project tag', context.param('tag'));
      return { status: 204 };
    },
  }),
  route({
    method: 'PUT',
    path: '/projects/:project_id/tags/:tag',
    rule: 'identity:update_project_tags',
    async handler(context) {
      const tag = tags.element.safeParse(context.param('tag'));
      if (!tag.success) throw new CumuletError('invalid', `Invalid input for field 'tag': ${context.param('tag')}`);
      await changeProject(context, (old) => ({ ...old, tags: [...new Set([...old.tags, tag.data])] }));
      return { status: 201 };
    },
  }),
  route({
    method: 'DELETE',
    path: '/projects/:project_id/tags/:tag',
    rule: 'identity:delete_project_tags',
    async handler(context) {
      const tag = context.param('tag');
      await changeProject(context, (old) => {
        if (!old.tags.includes(tag)) throw missing('project tag', tag);
        return { ...old, tags: old.tags.filter((each) => each !== tag) };
      });
      return { status: 204 };
    },
  }),
];

export const PROJECT_ROUTES: readonly Route[] = [...domainRoutes, ...projectRoutes, ...tagRoutes];
