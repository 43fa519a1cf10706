// Compute services: one nova-compute for each host. Operators enable and disable them, force them down, and remove the
// record of a host that is gone for good. Ids are numbers until 2.52, from 2.53 UUIDs.

import { z } from 'zod';
import { CumuletError, isUuid } from '#base';
import { ALLOCATION, HOST, type Host, hostState, RESOURCE_PROVIDER } from '#model';
import type { Records } from '#store';
import type { RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { nakedMicros } from '../../http/time.ts';
import { boolean, queryText } from '../parameters.ts';

const BINARY = 'nova-compute';
const api = 'os_compute_api:os-services';

type Context = Pick<RequestContext, 'microversion' | 'records' | 'clock'>;

const view = (context: Context, host: Host) => ({
  id: context.microversion.atLeast(2, 53) ? host.uuid : host.number,
  binary: BINARY,
  host: host.name,
  zone: host.availabilityZone,
  status: host.disabled === null ? 'enabled' : 'disabled',
  state: hostState(host),
  updated_at: nakedMicros(host.heartbeatAt),
  disabled_reason: host.disabled?.reason ?? null,
  ...(context.microversion.atLeast(2, 11) ? { forced_down: host.forcedDown === true } : {}),
});

async function change(records: Records, name: string, update: (host: Host) => Host): Promise<Host> {
  return records.transact((tx) => {
    const host = tx.get(HOST, name);
    if (host === undefined) throw noSuchHost(name);
    const changed = update(host);
    tx.update(HOST, changed);
    return changed;
  });
}

const noSuchHost = (name: string): CumuletError =>
  new CumuletError('not_found', `Could not find binary ${BINARY} on host ${name}.`);

function checkBinary(name: string, binary: string): void {
  if (binary !== BINARY) {
    throw new CumuletError('not_found', `Could not find binary ${binary} on host ${name}.`);
  }
}

const enable = (host: Host): Host => ({ ...host, disabled: null });
const disable = (host: Host, reason: string | null, now: number): Host => ({
  ...host,
  disabled: { reason, at: host.disabled?.at ?? now },
});

async function byId(context: Context, id: string): Promise<Host> {
  const from53 = context.microversion.atLeast(2, 53);
  if (from53 && !isUuid(id)) throw new CumuletError('invalid', `Invalid uuid ${id}`);
  const match = (host: Host) => (from53 ? host.uuid === id.toLowerCase() : String(host.number) === id);
  const found = (await context.records.list(HOST, match))[0]?.value;
  if (found === undefined) throw new CumuletError('not_found', `Compute service ${id} could not be found.`);
  return found;
}

/** Removes what is known of a host. One that still holds servers stays. */
async function forget(records: Records, name: string): Promise<void> {
  await records.transact((tx) => {
    const provider = tx.get(RESOURCE_PROVIDER, name);
    const held = tx.list(ALLOCATION, (allocation) => allocation.providerName === name).length;
    if (held > 0) {
      throw new CumuletError(
        'conflict',
        'Unable to delete compute service that is hosting instances. Migrate or delete the instances first.',
      );
    }
    if (provider !== undefined) tx.delete(RESOURCE_PROVIDER, name);
    if (tx.get(HOST, name) !== undefined) tx.delete(HOST, name);
  });
}

const text = z.string().min(1).max(255);
const target = { host: text, binary: text };
const TARGET = z.strictObject(target);
const WITH_REASON = z.strictObject({ ...target, disabled_reason: text });
const FORCE_DOWN = z.strictObject({ ...target, forced_down: boolean });
const UPDATE = z
  .strictObject({
    status: z.enum(['enabled', 'disabled']).optional(),
    disabled_reason: text.optional(),
    forced_down: boolean.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, {
    message: 'No updates were requested. Fields that may be updated: status, forced_down.',
  });

const QUERY = [
  ['2.1', z.looseObject({ host: queryText, binary: queryText })],
  ['2.69', z.object({ host: queryText, binary: queryText })],
  ['2.75', z.strictObject({ host: queryText, binary: queryText })],
] as const;

const OLD: readonly [string, string] = ['2.1', '2.52'];

export const SERVICE_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-services',
    rule: `${api}:list`,
    query: QUERY,
    async handler(context) {
      const { host: name, binary } = context.query;
      const found = await context.records.list(HOST, (host) => name === undefined || host.name === name);
      const shown = binary === undefined || binary === BINARY ? found : [];
      const hosts = shown.map(({ value }) => value).sort((a, b) => a.number - b.number);
      return { status: 200, body: { services: hosts.map((host) => view(context, host)) } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-services/enable',
    rule: `${api}:update`,
    microversions: OLD,
    body: TARGET,
    async handler(context) {
      const { host, binary } = context.body;
      checkBinary(host, binary);
      await change(context.records, host, enable);
      return { status: 200, body: { service: { host, binary, status: 'enabled' } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-services/disable',
    rule: `${api}:update`,
    microversions: OLD,
    body: TARGET,
    async handler(context) {
      const { host, binary } = context.body;
      checkBinary(host, binary);
      await change(context.records, host, (present) => disable(present, null, context.clock.now()));
      return { status: 200, body: { service: { host, binary, status: 'disabled' } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-services/disable-log-reason',
    rule: `${api}:update`,
    microversions: OLD,
    body: WITH_REASON,
    async handler(context) {
      const { host, binary, disabled_reason } = context.body;
      checkBinary(host, binary);
      await change(context.records, host, (present) => disable(present, disabled_reason, context.clock.now()));
      return { status: 200, body: { service: { host, binary, status: 'disabled', disabled_reason } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-services/force-down',
    rule: `${api}:update`,
    microversions: ['2.11', '2.52'],
    body: FORCE_DOWN,
    async handler(context) {
      const { host, binary, forced_down: forcedDown } = context.body;
      checkBinary(host, binary);
      await change(context.records, host, (present) => ({ ...present, forcedDown }));
      return { status: 200, body: { service: { host, binary, forced_down: forcedDown } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-services/:service_id',
    rule: `${api}:update`,
    microversions: ['2.53'],
    body: UPDATE,
    async handler(context) {
      const { status, disabled_reason: reason, forced_down: forcedDown } = context.body;
      if (reason !== undefined && status !== 'disabled') {
        throw new CumuletError('invalid', "Specifying disabled_reason requires that status is 'disabled'.");
      }
      const { name } = await byId(context, context.param('service_id'));
      const now = context.clock.now();
      const changed = await change(context.records, name, (host) => {
        const stated =
          status === undefined ? host : status === 'enabled' ? enable(host) : disable(host, reason ?? null, now);
        return forcedDown === undefined ? stated : { ...stated, forcedDown };
      });
      return { status: 200, body: { service: view(context, changed) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-services/:service_id',
    rule: `${api}:delete`,
    async handler(context) {
      const { name } = await byId(context, context.param('service_id'));
      await forget(context.records, name);
      return { status: 204 };
    },
  }),
];
