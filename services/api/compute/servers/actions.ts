// POST /servers/{id}/action: power, lock, reset, rebuild. Each is a row: the body's key, the rule, the request of the
// transition table. The answer is 202 with no body; the conductor does the work.

import { z } from 'zod';
import {
  POWER_TASKS,
  type PowerRequestName,
  SERVER,
  SERVER_DELETE,
  SERVER_PAYLOAD,
  SERVER_REBUILD,
  type Server,
  type ServerPayload,
  transition,
} from '#model';
import type { Tx } from '#store';
import type { Reply, RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { type Route, route } from '../../http/route.ts';
import { checkLock, findServer, readServer, stateConflict } from './find.ts';
import { serverImage } from './images.ts';
import { newPassword } from './password.ts';
import { serverKey } from './references.ts';
import { REBUILD, type RebuildBody } from './schema.ts';
import { startTask } from './start-task.ts';
import { changedView } from './view.ts';

const ACTION_PATH = '/servers/:server_id/action';
const ACCEPTED: Reply = { status: 202 };

async function power(ctx: RequestContext, request: PowerRequestName): Promise<Reply> {
  await findServer(ctx);
  const { saga, action } = POWER_TASKS[request];
  await ctx.records.transact((tx) => {
    const server = readServer(tx, ctx);
    checkLock(ctx, server);
    startTask(tx, ctx, server, { request, saga, action, launched: true });
  });
  return ACCEPTED;
}

/** Nova takes anything under the key of these. */
const powerAction = (key: string, rule: string, request: PowerRequestName): Route =>
  route({
    method: 'POST',
    path: ACTION_PATH,
    action: key,
    rule: `os_compute_api:${rule}`,
    body: z.strictObject({ [key]: z.unknown() }),
    handler: (ctx) => power(ctx, request),
  });

const rebootType = z
  .string()
  .transform((type) => type.toUpperCase())
  .pipe(z.enum(['SOFT', 'HARD']));

const reboot = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'reboot',
  rule: 'os_compute_api:servers:reboot',
  body: z.strictObject({ reboot: z.strictObject({ type: rebootType }) }),
  handler: (ctx) => power(ctx, ctx.body.reboot.type === 'HARD' ? 'reboot_hard' : 'reboot'),
});

const lock = async (ctx: RequestContext, reason: string | null): Promise<Reply> => {
  await findServer(ctx);
  await ctx.records.transact((tx) => {
    const server = readServer(tx, ctx);
    const by = ctx.auth.projectId === server.projectId && !ctx.isAdmin ? 'owner' : 'admin';
    tx.update(SERVER, { ...server, locked: { by, reason }, updatedAt: ctx.clock.now() });
  });
  return ACCEPTED;
};

const lockBefore73 = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'lock',
  rule: 'os_compute_api:os-lock-server:lock',
  microversions: ['2.1', '2.72'],
  body: z.strictObject({ lock: z.unknown() }),
  handler: (ctx) => lock(ctx, null),
});

const lockFrom73 = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'lock',
  rule: 'os_compute_api:os-lock-server:lock',
  microversions: ['2.73'],
  body: z.strictObject({
    lock: z.union([z.null(), z.strictObject({ locked_reason: z.string().min(1).max(255).optional() })]),
  }),
  handler: (ctx) => lock(ctx, ctx.body.lock?.locked_reason ?? null),
});

const unlock = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'unlock',
  rule: 'os_compute_api:os-lock-server:unlock',
  body: z.strictObject({ unlock: z.unknown() }),
  async handler(ctx) {
    await findServer(ctx);
    await ctx.records.transact((tx) => {
      const server = readServer(tx, ctx);
      // What an operator has locked its owner may not unlock.
      if (server.locked?.by === 'admin') ctx.enforce('os_compute_api:os-lock-server:unlock:unlock_override');
      tx.update(SERVER, { ...server, locked: null, updatedAt: ctx.clock.now() });
    });
    return ACCEPTED;
  },
});

const resetState = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'os-resetState',
  rule: 'os_compute_api:os-admin-actions:reset_state',
  body: z.strictObject({ 'os-resetState': z.strictObject({ state: z.enum(['active', 'error']) }) }),
  async handler(ctx) {
    await findServer(ctx);
    const event = ctx.body['os-resetState'].state === 'active' ? 'reset_active' : 'reset_error';
    await ctx.records.transact((tx) => {
      const server = readServer(tx, ctx);
      const verdict = transition(server, event);
      if (verdict.kind !== 'to') return;
      tx.update(SERVER, { ...server, ...verdict.state, task: null, updatedAt: ctx.clock.now() });
    });
    return ACCEPTED;
  },
});

/** No driver can write an image of a guest's disk back into the image store yet: said clearly, before anything is made. */
const createImage = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'createImage',
  rule: 'os_compute_api:servers:create_image',
  body: z.strictObject({
    createImage: z.strictObject({
      name: z.string().min(1).max(255),
      metadata: z.record(z.string(), z.string()).optional(),
    }),
  }),
  async handler(ctx) {
    await findServer(ctx);
    throw new HttpFault(400, 'This cloud cannot make images of servers: its drivers do not support snapshots.');
  },
});

/** What the new guest is told: the old user data and files stay where the wish names none. */
function writePayload(tx: Tx, server: Server, wish: RebuildBody['rebuild'], adminPass: string): void {
  const payload = tx.get(SERVER_PAYLOAD, server.id);
  const next: ServerPayload = {
    id: server.id,
    userData: wish.user_data === undefined ? (payload?.userData ?? null) : wish.user_data,
    personality: wish.personality ?? payload?.personality ?? [],
    adminPass: server.configDrive ? adminPass : null,
  };
  if (payload !== undefined) tx.update(SERVER_PAYLOAD, next);
  else if (next.userData !== null || next.personality.length > 0 || next.adminPass !== null) {
    tx.create(SERVER_PAYLOAD, next);
  }
}

const rebuild = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'rebuild',
  rule: 'os_compute_api:servers:rebuild',
  body: REBUILD,
  async handler(ctx) {
    const wish = (ctx.body as RebuildBody).rebuild;
    const found = await findServer(ctx);
    const image = await serverImage(ctx, wish.imageRef, found.flavor);
    const wantsKey = Object.hasOwn(wish, 'key_name');
    const key = wish.key_name == null ? null : await serverKey(ctx, wish.key_name);
    const adminPass = wish.adminPass ?? newPassword();
    const server = await ctx.records.transact((tx) => {
      const current = readServer(tx, ctx);
      checkLock(ctx, current);
      writePayload(tx, current, wish, adminPass);
      const task = { request: 'rebuild', saga: SERVER_REBUILD, action: 'rebuild', launched: true } as const;
      return startTask(
        tx,
        ctx,
        current,
        task,
        (begun): Server => ({
          ...begun,
          image,
          name: wish.name ?? begun.name,
          hostname: wish.hostname ?? begun.hostname,
          description: wish.description === undefined ? begun.description : wish.description,
          metadata: wish.metadata ?? begun.metadata,
          key: wantsKey ? key : begun.key,
          diskConfig: wish['OS-DCF:diskConfig'] ?? begun.diskConfig,
          accessIpV4: wish.accessIPv4 ?? begun.accessIpV4,
          accessIpV6: wish.accessIPv6 ?? begun.accessIpV6,
        }),
      );
    });
    const view = changedView(ctx, server);
    if (ctx.microversion.atLeast(2, 54)) view.key_name = server.key?.name ?? null;
    if (ctx.microversion.atLeast(2, 57)) {
      view.user_data = ctx.records.peek(SERVER_PAYLOAD, server.id)?.value.userData ?? null;
      delete view['OS-EXT-SRV-ATTR:user_data'];
    }
    view.adminPass = adminPass;
    return {
      status: 202,
      body: { server: view },
      headers: { Location: ctx.url(`/compute/v2.1/servers/${server.id}`) },
    };
  },
});

const forceDelete = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'forceDelete',
  rule: 'os_compute_api:os-deferred-delete:force',
  body: z.strictObject({ forceDelete: z.unknown() }),
  async handler(ctx) {
    await findServer(ctx);
    await ctx.records.transact((tx) => {
      const server = readServer(tx, ctx);
      checkLock(ctx, server);
      startTask(tx, ctx, server, { request: 'delete', saga: SERVER_DELETE, action: 'delete' });
    });
    return ACCEPTED;
  },
});

/** Deleted here is deleted at once, so there is never a soft-deleted server to restore. */
const restore = route({
  method: 'POST',
  path: ACTION_PATH,
  action: 'restore',
  rule: 'os_compute_api:os-deferred-delete:restore',
  body: z.strictObject({ restore: z.unknown() }),
  async handler(ctx) {
    const server = await findServer(ctx);
    throw stateConflict(server.id, 'restore', 'vm_state', server.vmState);
  },
});

export const ACTION_ROUTES: readonly Route[] = [
  powerAction('os-start', 'servers:start', 'start'),
  powerAction('os-stop', 'servers:stop', 'stop'),
  powerAction('pause', 'os-pause-server:pause', 'pause'),
  powerAction('unpause', 'os-pause-server:unpause', 'unpause'),
  powerAction('suspend', 'os-suspend-server:suspend', 'suspend'),
  powerAction('resume', 'os-suspend-server:resume', 'resume'),
  reboot,
  lockBefore73,
  lockFrom73,
  unlock,
  resetState,
  createImage,
  forceDelete,
  restore,
  rebuild,
];
