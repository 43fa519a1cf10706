// Host aggregates. A zone that an aggregate names is written into its hosts in the same transaction, so that whoever asks
// for a host's zone reads the host alone; a host whose servers would change zone under their feet is refused.

import { z } from 'zod';
import { CumuletError, isError, newUuid } from '#base';
import { AGGREGATE, type Aggregate, DEFAULT_ZONE, HOST, RESOURCE_PROVIDER, zoneOfHost } from '#model';
import type { Tx } from '#store';
import type { RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { nakedMicros } from '../../http/time.ts';
import { nextNumber } from '../numbers.ts';
import { metadataKey, name } from '../parameters.ts';

const api = 'os_compute_api:os-aggregates';
const ZONE_KEY = 'availability_zone';

const zone = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^:]*$/)
  .nullable();
const hostName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-zA-Z0-9-._]*$/);

const CREATE = z.strictObject({ aggregate: z.strictObject({ name, availability_zone: zone.optional() }) });
const UPDATE = z.strictObject({
  aggregate: z
    .strictObject({ name: name.optional(), availability_zone: zone.optional() })
    .refine((body) => Object.keys(body).length > 0, { message: '{} does not have enough properties' }),
});
const ADD_HOST = z.strictObject({ add_host: z.strictObject({ host: hostName }) });
const REMOVE_HOST = z.strictObject({ remove_host: z.strictObject({ host: hostName }) });
const SET_METADATA = z.strictObject({
  set_metadata: z.strictObject({ metadata: z.record(metadataKey, z.string().max(255).nullable()) }),
});

type Context = Pick<RequestContext, 'microversion'>;

const core = (context: Context, aggregate: Aggregate) => ({
  id: Number(aggregate.id),
  name: aggregate.name,
  availability_zone: aggregate.availabilityZone,
  created_at: nakedMicros(aggregate.createdAt),
  updated_at: aggregate.updatedAt === null ? null : nakedMicros(aggregate.updatedAt),
  deleted: false,
  deleted_at: null,
  ...(context.microversion.atLeast(2, 41) ? { uuid: aggregate.uuid } : {}),
});

const view = (context: Context, aggregate: Aggregate) => ({
  ...core(context, aggregate),
  hosts: aggregate.hosts,
  metadata: {
    ...aggregate.metadata,
    ...(aggregate.availabilityZone === null ? {} : { [ZONE_KEY]: aggregate.availabilityZone }),
  },
});

const noSuch = (id: string): CumuletError => new CumuletError('not_found', `Aggregate ${id} could not be found.`);

const refused = (action: string, id: string, why: string, code: 'conflict' | 'invalid' = 'conflict'): CumuletError =>
  new CumuletError(code, `Cannot perform action '${action}' on aggregate ${id}. Reason: ${why}.`);

function find(tx: Pick<Tx, 'get'>, id: string): Aggregate {
  const found = /^\d+$/.test(id) ? tx.get(AGGREGATE, id) : undefined;
  if (found === undefined) throw noSuch(id);
  return found;
}

/** Writes the aggregate, and into each host that it had or has the zone that follows. */
function save(tx: Tx, before: Aggregate, after: Aggregate, action: string): void {
  const others = tx.list(AGGREGATE, (aggregate) => aggregate.id !== after.id);
  for (const host of new Set([...before.hosts, ...after.hosts])) {
    const present = tx.get(HOST, host);
    if (present === undefined) continue;
    const elsewhere = zoneOfHost(host, others);
    const here = after.hosts.includes(host) ? after.availabilityZone : null;
    if (elsewhere !== undefined && here !== null && elsewhere !== here) {
      throw refused(action, after.id, `Host ${host} already in availability zone "${elsewhere}"`);
    }
    const becomes = here ?? elsewhere ?? DEFAULT_ZONE;
    if (becomes === present.availabilityZone) continue;
    if (Object.keys(tx.get(RESOURCE_PROVIDER, host)?.consumers ?? {}).length > 0) {
      const code = action === 'update aggregate' || action === 'set_metadata' ? 'invalid' : 'conflict';
      throw refused(action, after.id, 'One or more hosts contain instances in this zone', code);
    }
    tx.update(HOST, { ...present, availabilityZone: becomes });
  }
  tx.update(AGGREGATE, after);
}

function withMetadata(aggregate: Aggregate, changes: Readonly<Record<string, string | null>>): Partial<Aggregate> {
  const { [ZONE_KEY]: newZone, ...others } = changes;
  const metadata: Record<string, string> = { ...aggregate.metadata };
  for (const [key, value] of Object.entries(others)) {
    if (value === null) delete metadata[key];
    else metadata[key] = value;
  }
  return newZone === undefined ? { metadata } : { metadata, availabilityZone: newZone };
}

async function change(
  context: RequestContext<unknown, unknown>,
  action: string,
  update: (aggregate: Aggregate, tx: Tx) => Partial<Aggregate>,
) {
  const id = context.param('id');
  const now = context.clock.now();
  const changed = await context.records.transact((tx) => {
    const before = find(tx, id);
    const after: Aggregate = { ...before, ...update(before, tx), updatedAt: now };
    save(tx, before, after, action);
    return after;
  });
  return { status: 200, body: { aggregate: view(context, changed) } };
}

const taken = (what: string): CumuletError => new CumuletError('already_exists', what);

export const AGGREGATE_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-aggregates',
    rule: `${api}:index`,
    async handler(context) {
      const found = (await context.records.list(AGGREGATE)).map(({ value }) => value);
      const sorted = found.sort((a, b) => Number(a.id) - Number(b.id));
      return { status: 200, body: { aggregates: sorted.map((aggregate) => view(context, aggregate)) } };
    },
  }),
  route({
    method: 'POST',
    path: '/os-aggregates',
    rule: `${api}:create`,
    body: CREATE,
    async handler(context) {
      const wish = context.body.aggregate;
      const now = context.clock.now();
      const uuid = newUuid();
      const aggregate = await context.records
        .transact((tx) => {
          const made: Aggregate = {
            id: String(nextNumber(tx, 'aggregate')),
            uuid,
            name: wish.name,
            availabilityZone: wish.availability_zone ?? null,
            hosts: [],
            metadata: {},
            createdAt: now,
            updatedAt: null,
          };
          tx.create(AGGREGATE, made);
          return made;
        })
        .catch((error: unknown) => {
          throw isError(error, 'already_exists') ? taken(`Aggregate ${wish.name} already exists.`) : error;
        });
      // Without hosts and metadata, as Nova answers since its first version.
      return { status: 200, body: { aggregate: core(context, aggregate) } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-aggregates/:id',
    rule: `${api}:show`,
    async handler(context) {
      const id = context.param('id');
      const found = /^\d+$/.test(id) ? (await context.records.get(AGGREGATE, id))?.value : undefined;
      if (found === undefined) throw noSuch(id);
      return { status: 200, body: { aggregate: view(context, found) } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-aggregates/:id',
    rule: `${api}:update`,
    body: UPDATE,
    async handler(context) {
      const { name: newName, availability_zone: newZone } = context.body.aggregate;
      return change(context, 'update aggregate', (aggregate, tx) => {
        const other = tx.list(AGGREGATE, ({ id, name: held }) => held === newName && id !== aggregate.id);
        if (other.length > 0) throw taken(`Aggregate ${newName} already exists.`);
        return {
          ...(newName === undefined ? {} : { name: newName }),
          ...(newZone === undefined ? {} : { availabilityZone: newZone }),
        };
      });
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-aggregates/:id',
    rule: `${api}:delete`,
    async handler(context) {
      const id = context.param('id');
      await context.records.transact((tx) => {
        if (find(tx, id).hosts.length > 0) throw refused('delete', id, 'Host aggregate is not empty', 'invalid');
        tx.delete(AGGREGATE, id);
      });
      return { status: 200 };
    },
  }),
  route({
    method: 'POST',
    path: '/os-aggregates/:id/action',
    action: 'add_host',
    rule: `${api}:add_host`,
    body: ADD_HOST,
    async handler(context) {
      const { host } = context.body.add_host;
      return change(context, 'add_host_to_aggregate', (aggregate, tx) => {
        if (tx.get(HOST, host) === undefined) {
          throw new CumuletError('not_found', `Compute host ${host} could not be found.`);
        }
        if (aggregate.hosts.includes(host)) throw taken(`Aggregate ${aggregate.id} already has host ${host}.`);
        return { hosts: [...aggregate.hosts, host] };
      });
    },
  }),
  route({
    method: 'POST',
    path: '/os-aggregates/:id/action',
    action: 'remove_host',
    rule: `${api}:remove_host`,
    body: REMOVE_HOST,
    async handler(context) {
      const { host } = context.body.remove_host;
      return change(context, 'remove_host_from_aggregate', (aggregate) => {
        if (!aggregate.hosts.includes(host)) {
          throw new CumuletError('not_found', `Aggregate ${aggregate.id} has no host ${host}.`);
        }
        return { hosts: aggregate.hosts.filter((present) => present !== host) };
      });
    },
  }),
  route({
    method: 'POST',
    path: '/os-aggregates/:id/action',
    action: 'set_metadata',
    rule: `${api}:set_metadata`,
    body: SET_METADATA,
    async handler(context) {
      const { metadata } = context.body.set_metadata;
      return change(context, 'set_metadata', (aggregate) => withMetadata(aggregate, metadata));
    },
  }),
];
