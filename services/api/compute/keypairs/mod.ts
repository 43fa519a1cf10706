// Keypairs: public keys that servers get. They belong to users, not to projects.

import { z } from 'zod';
import { CumuletError, isError } from '#base';
import { effectiveQuotas, KEYPAIR, type Keypair, type KeypairType, keypairId, QUOTA_SET } from '#model';
import type { Tx } from '#store';
import type { Reply, RequestContext } from '../../http/context.ts';
import { linksOf, page, pageRequestOf, sortBy } from '../../http/paging.ts';
import { type Route, route } from '../../http/route.ts';
import { nakedMicros } from '../../http/time.ts';
import { nextNumber } from '../numbers.ts';
import { name, PAGING, queryByVersion, queryText } from '../parameters.ts';
import { fingerprintOf, newSshPair } from './keys.ts';

const RULE = 'os_compute_api:os-keypairs';

const publicKey = z.string();
const type = z.enum(['ssh', 'x509']);
const userId = z.string().min(1).max(255);
const CREATE = z.strictObject({ keypair: z.strictObject({ name, public_key: publicKey.optional() }) });
const CREATE_2 = z.strictObject({
  keypair: z.strictObject({ name, type: type.optional(), public_key: publicKey.optional() }),
});
const CREATE_10 = z.strictObject({
  keypair: z.strictObject({
    name,
    type: type.optional(),
    public_key: publicKey.optional(),
    user_id: userId.optional(),
  }),
});

/** Whose keypairs are meant, after the policy has agreed: one's own, or from 2.10 another user's. */
function ownerOf(context: RequestContext<unknown, unknown>, action: string, asked?: string | null): string {
  const named = context.microversion.atLeast(2, 10) ? asked : undefined;
  const owner = named ?? context.auth.userId;
  context.enforce(`${RULE}:${action}`, { user_id: owner });
  return owner;
}

const brief = (context: RequestContext, keypair: Keypair) => ({
  name: keypair.name,
  public_key: keypair.publicKey,
  fingerprint: keypair.fingerprint,
  ...(context.microversion.atLeast(2, 2) ? { type: keypair.type } : {}),
});

const whole = (context: RequestContext, keypair: Keypair) => ({
  ...brief(context, keypair),
  id: keypair.number,
  user_id: keypair.userId,
  created_at: nakedMicros(keypair.createdAt),
  updated_at: null,
  deleted: false,
  deleted_at: null,
});

const noSuchKeypair = (userIdOf: string, keyName: string): CumuletError =>
  new CumuletError('not_found', `Keypair ${keyName} not found for user ${userIdOf}`);

/** A name goes into host names and file names of clients: letters, digits, space, `_` and `-`. */
function checkName(keyName: string): void {
  if (!/^[A-Za-z0-9 _-]*$/.test(keyName)) {
    throw new CumuletError('invalid', 'Keypair data is invalid: Keypair name contains unsafe characters');
  }
}

async function list(context: RequestContext<unknown, { user_id?: string | undefined }>): Promise<Reply> {
  const owner = ownerOf(context, 'index', context.query.user_id);
  const found = await context.records.list(KEYPAIR, (keypair) => keypair.userId === owner);
  const sorted = sortBy(
    found.map(({ value }) => value),
    [[(keypair) => keypair.name, 'asc']],
  );
  const paged = context.microversion.atLeast(2, 35) ? pageRequestOf(context.search) : {};
  const { items, next } = page(sorted, paged, (keypair) => keypair.name);
  const links = linksOf('keypairs_links', context.url(context.path), context.search, next);
  return { status: 200, body: { keypairs: items.map((keypair) => ({ keypair: brief(context, keypair) })), ...links } };
}

/** One at a time for each user: keys are counted against the quota. */
function add(tx: Tx, keypair: Omit<Keypair, 'number'>, projectId: string): Keypair {
  const numbered: Keypair = { ...keypair, number: nextNumber(tx, 'keypair') };
  const limit = effectiveQuotas((id) => tx.peek(QUOTA_SET, id), projectId, keypair.userId).key_pairs;
  const count = tx.list(KEYPAIR, (present) => present.userId === keypair.userId).length;
  if (limit >= 0 && count >= limit) {
    throw new CumuletError('quota_exceeded', 'Quota exceeded, too many key pairs.');
  }
  tx.create(KEYPAIR, numbered);
  return numbered;
}

interface Wish {
  readonly name: string;
  readonly type?: KeypairType | undefined;
  readonly public_key?: string | undefined;
  readonly user_id?: string | undefined;
}

async function create(context: RequestContext<{ readonly keypair: Wish }, unknown>): Promise<Reply> {
  const wish = context.body.keypair;
  const owner = ownerOf(context, 'create', wish.user_id);
  checkName(wish.name);
  const kind = wish.type ?? 'ssh';
  if (wish.public_key === undefined && kind === 'x509') {
    throw new CumuletError(
      'invalid',
      'Keypair data is invalid: certificates are not made here; send one as public_key.',
    );
  }
  if (context.records.peek(KEYPAIR, keypairId(owner, wish.name)) !== undefined) throw taken(wish.name);
  const pair = wish.public_key === undefined ? await newSshPair() : undefined;
  const key = pair?.publicKey ?? wish.public_key ?? '';
  const draft = {
    userId: owner,
    name: wish.name,
    type: kind,
    publicKey: key,
    fingerprint: fingerprintOf(kind, key),
    createdAt: context.clock.now(),
  };
  const projectId = context.projectId;
  const keypair = await context.records
    .transact((tx) => add(tx, draft, projectId))
    .catch((error: unknown) => {
      throw isError(error, 'already_exists') ? taken(wish.name) : error;
    });
  const body = {
    keypair: {
      ...brief(context, keypair),
      user_id: owner,
      ...(pair === undefined ? {} : { private_key: pair.privateKey }),
    },
  };
  return { status: context.microversion.atLeast(2, 2) ? 201 : 200, body };
}

const taken = (keyName: string): CumuletError =>
  new CumuletError('already_exists', `Key pair '${keyName}' already exists.`);

const OWNER_QUERY = queryByVersion({ user_id: queryText });

export const KEYPAIR_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-keypairs',
    rule: RULE,
    query: queryByVersion({ user_id: queryText, ...PAGING }),
    handler: list,
  }),
  route({
    method: 'POST',
    path: '/os-keypairs',
    rule: RULE,
    body: [
      ['2.1', CREATE],
      ['2.2', CREATE_2],
      ['2.10', CREATE_10],
    ],
    handler: create,
  }),
  route({
    method: 'GET',
    path: '/os-keypairs/:name',
    rule: RULE,
    query: OWNER_QUERY,
    async handler(context) {
      const owner = ownerOf(context, 'show', context.query.user_id);
      const keyName = context.param('name');
      const keypair = (await context.records.get(KEYPAIR, keypairId(owner, keyName)))?.value;
      if (keypair === undefined) throw noSuchKeypair(owner, keyName);
      return { status: 200, body: { keypair: whole(context, keypair) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-keypairs/:name',
    rule: RULE,
    query: OWNER_QUERY,
    async handler(context) {
      const owner = ownerOf(context, 'delete', context.query.user_id);
      const keyName = context.param('name');
      await context.records.transact((tx) => {
        const id = keypairId(owner, keyName);
        if (tx.get(KEYPAIR, id) === undefined) throw noSuchKeypair(owner, keyName);
        tx.delete(KEYPAIR, id);
      });
      return { status: context.microversion.atLeast(2, 2) ? 204 : 202 };
    },
  }),
];
