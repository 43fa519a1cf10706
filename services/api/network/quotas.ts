// /quotas
import { z } from 'zod';
import {
  DEFAULT_NETWORK_QUOTA,
  NETWORK_QUOTA,
  NETWORK_QUOTA_NAMES,
  type NetworkLimits,
  type NetworkQuotaName,
  networkError,
  networkLimits,
  networkUsage,
  type QuotaReader,
} from '#model';
import type { Records } from '#store';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { integer } from './attributes.ts';
import { parsed } from './resource.ts';

const limit = integer(-1, 2_147_483_647);
const updateSchema = z.strictObject({
  quota: z.strictObject(
    Object.fromEntries(NETWORK_QUOTA_NAMES.map((name) => [name, limit.optional()])) as Record<
      NetworkQuotaName,
      z.ZodOptional<typeof limit>
    >,
  ),
});

/** Reads records as a count wants to. */
export const readerOf = (records: Records): QuotaReader => ({
  get: (kind, id) => records.peek(kind, id)?.value,
  list: (kind, where) => records.peekList(kind, where).map(({ value }) => value),
});

const limitsOf = (context: RequestContext, projectId: string): NetworkLimits =>
  networkLimits(readerOf(context.records), projectId);

/** Whose quota it is: another's is the admins' to see. */
function projectOf(context: RequestContext): string {
  const id = context.param('project_id');
  if (!context.sees(id)) context.enforce('get_quota:others');
  return id;
}

/** Older clients add a suffix that Neutron's router accepts. */
const DETAILS = ['/quotas/:project_id/details', '/quotas/:project_id/details.json'];

export const QUOTA_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/quotas',
    rule: 'get_quota:others',
    handler: async (context) => {
      const known = await context.records.list(NETWORK_QUOTA);
      const quotas = known.map(({ value: { projectId } }) => ({
        ...limitsOf(context, projectId),
        project_id: projectId,
        tenant_id: projectId,
      }));
      return { status: 200, body: { quotas } };
    },
  }),
  route({
    method: 'GET',
    path: '/quotas/tenant',
    rule: 'get_quota',
    handler: async (context) => ({
      status: 200,
      body: { tenant: { tenant_id: context.projectId, project_id: context.projectId } },
    }),
  }),
  route({
    method: 'GET',
    path: '/quotas/:project_id',
    rule: 'get_quota',
    handler: async (context) => ({ status: 200, body: { quota: limitsOf(context, projectOf(context)) } }),
  }),
  route({
    method: 'GET',
    path: '/quotas/:project_id/default',
    rule: 'get_quota',
    handler: async (context) => {
      projectOf(context);
      return { status: 200, body: { quota: DEFAULT_NETWORK_QUOTA } };
    },
  }),
  ...DETAILS.map((path) =>
    route({
      method: 'GET',
      path,
      rule: 'get_quota',
      handler: async (context) => {
        const projectId = projectOf(context);
        const limits = limitsOf(context, projectId);
        const reader = readerOf(context.records);
        const detail = NETWORK_QUOTA_NAMES.map((name) => {
          return [name, { limit: limits[name], used: networkUsage(reader, projectId, name), reserved: 0 }] as const;
        });
        return { status: 200, body: { quota: Object.fromEntries(detail) } };
      },
    }),
  ),
  route({
    method: 'PUT',
    path: '/quotas/:project_id',
    rule: 'update_quota',
    body: z.unknown(),
    handler: async (context) => {
      const projectId = context.param('project_id');
      const { quota } = parsed(updateSchema, context.body);
      const given = Object.fromEntries(Object.entries(quota).filter(([, value]) => value !== undefined));
      await context.records.transact((tx) => {
        const present = tx.get(NETWORK_QUOTA, projectId);
        const changed = { projectId, limits: { ...present?.limits, ...given } };
        if (present === undefined) tx.create(NETWORK_QUOTA, changed);
        else tx.update(NETWORK_QUOTA, changed);
      });
      return { status: 200, body: { quota: limitsOf(context, projectId) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/quotas/:project_id',
    rule: 'delete_quota',
    handler: async (context) => {
      const projectId = context.param('project_id');
      await context.records.transact((tx) => {
        if (tx.get(NETWORK_QUOTA, projectId) === undefined) {
          const message = `Quota for tenant ${projectId} could not be found.`;
          throw networkError('not_found', 'TenantQuotaNotFound', message);
        }
        tx.delete(NETWORK_QUOTA, projectId);
      });
      return { status: 204 };
    },
  }),
];
