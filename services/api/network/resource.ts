// What all of Neutron's collections have in common: create (one or many at once), list, show, update, delete, tags, and
// revision numbers as preconditions. A resource says how it differs; who may see and change a record is decided here.
//
//   not visible: 404      visible but another's: 403      `If-Match: revision_number=n` that is not so: 412

import { z } from 'zod';
import { type CumuletError, newUuid } from '#base';
import { type Kind, type NetworkResource, networkError } from '#model';
import type { Records, Tx } from '#store';
import type { Reply, RequestContext } from '../http/context.ts';
import { NEUTRON } from '../http/dialects.ts';
import { HttpFault } from '../http/faults.ts';
import { type Route, route } from '../http/route.ts';
import { zulu } from '../http/time.ts';
import { tags as tagList } from './attributes.ts';
import { chosenFields, listBody, type View } from './listing.ts';

export type Owned = Pick<NetworkResource, 'id' | 'projectId' | 'createdAt' | 'updatedAt' | 'revisionNumber'> &
  Partial<Pick<NetworkResource, 'tags' | 'closingUntil'>>;

/** Inside a transaction: everything that planning needs. */
export interface Planning {
  readonly tx: Tx;
  readonly context: RequestContext;
  readonly now: number;
  newId(): string;
}

export interface Resource<T extends Owned, C extends z.ZodObject, U extends z.ZodObject> {
  /** `security_group`: the key of a body. */
  readonly singular: string;
  readonly plural: string;
  /** `/security-groups`. */
  readonly path: string;
  readonly kind: Kind<T>;
  readonly createSchema: C;
  readonly updateSchema: U;
  /** Attributes that only admins see. */
  readonly adminAttributes?: readonly string[];
  /** Attributes that only admins may set: each has a rule `create_<singular>:<attribute>` and the like. */
  readonly adminInput?: readonly string[];
  notFound(id: string): CumuletError;
  /** Makes a view of each record; called once for a list, so that lookups are shared. */
  viewer(context: RequestContext): (record: T) => View;
  /** Who besides its project and admins may see it. */
  isShared?(record: T, context: RequestContext): boolean;
  /** Called before a list or a create, outside of the transaction. */
  prepare?(context: RequestContext): Promise<void>;
  create(plan: Planning, attributes: z.output<C>, projectId: string): T;
  /** The changed record, without its revision number: that is counted here. */
  update(plan: Planning, record: T, attributes: z.output<U>): T;
  delete(context: RequestContext, record: T): Promise<void>;
}

export const planning = (tx: Tx, context: RequestContext): Planning => ({
  tx,
  context,
  now: context.clock.now(),
  newId: newUuid,
});

/** What every view has. */
export const commonView = (record: Owned & { readonly description?: string }): View => ({
  id: record.id,
  tenant_id: record.projectId,
  project_id: record.projectId,
  description: record.description ?? '',
  created_at: zulu(record.createdAt),
  updated_at: zulu(record.updatedAt),
  revision_number: record.revisionNumber,
  ...(record.tags === undefined ? {} : { tags: record.tags }),
});

/** A body that fits the schema, or Neutron's refusal of it. */
export function parsed<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const failure = NEUTRON.invalid(result.error, input, 'body');
  throw new HttpFault(failure.status, failure.message, { type: failure.type });
}

const malformed = (why: string): CumuletError => networkError('invalid', 'HTTPBadRequest', why);

function bodyOf(body: unknown, key: string): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || !(key in body)) {
    throw malformed(`Unable to find '${key}' in request body`);
  }
  return (body as View)[key];
}

/** The project that a new resource belongs to: the caller's, or for admins the one that the body names. */
function ownerOf(attributes: View, context: RequestContext): string {
  const named = attributes.project_id ?? attributes.tenant_id;
  if (typeof named !== 'string' || named === '') return context.projectId;
  if (named !== context.auth.projectId && !context.isAdmin) {
    throw malformed(
      "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges",
    );
  }
  return named;
}

export function resourceRoutes<T extends Owned, C extends z.ZodObject, U extends z.ZodObject>(
  resource: Resource<T, C, U>,
): Route[] {
  const { singular, plural, path, kind } = resource;
  const hidden = new Set(resource.adminAttributes);

  const viewsOf = (context: RequestContext): ((record: T) => View) => {
    const view = resource.viewer(context);
    if (context.isAdmin) return view;
    return (record) => Object.fromEntries(Object.entries(view(record)).filter(([key]) => !hidden.has(key)));
  };
  const isVisible = (record: T, context: RequestContext): boolean =>
    context.sees(record.projectId) || (resource.isShared?.(record, context) ?? false);

  async function find(context: RequestContext, id = context.param('id')): Promise<T> {
    const record = (await context.records.get(kind, id.toLowerCase()))?.value;
    if (record === undefined || !isVisible(record, context)) throw resource.notFound(id);
    return record;
  }

  function checkOwner(record: T, context: RequestContext, verb: string): void {
    if (!context.sees(record.projectId)) context.enforce(`${verb}_${singular}:others`);
  }

  function checkInput(attributes: View, context: RequestContext, verb: string): void {
    for (const attribute of resource.adminInput ?? []) {
      if (attributes[attribute] !== undefined) context.enforce(`${verb}_${singular}:${attribute}`);
    }
  }

  /** Changes the record in a transaction that has compared it with what the caller saw. */
  function change(
    context: RequestContext,
    id: string,
    verb: string,
    how: (plan: Planning, record: T) => T,
  ): Promise<T> {
    return context.records.transact((tx) => {
      const record = tx.get(kind, id);
      if (record === undefined || !isVisible(record, context)) throw resource.notFound(id);
      checkOwner(record, context, verb);
      checkRevision(record, context);
      const plan = planning(tx, context);
      const changed = { ...how(plan, record), revisionNumber: record.revisionNumber + 1, updatedAt: plan.now };
      tx.update(kind, changed);
      return changed;
    });
  }

  async function create(context: RequestContext): Promise<Reply> {
    const body = context.body as View | undefined;
    const isBulk = typeof body === 'object' && body !== null && plural in body;
    const inputs = isBulk ? bodyOf(body, plural) : [bodyOf(body, singular)];
    if (!Array.isArray(inputs) || inputs.length === 0)
      throw malformed(`Invalid input for ${plural}: a list is expected`);
    const requests = inputs.map((input) => {
      const attributes = parsed(resource.createSchema, input);
      checkInput(attributes, context, 'create');
      return { attributes, projectId: ownerOf(attributes, context) };
    });
    await resource.prepare?.(context);
    // All or none, as Neutron: one transaction.
    const records = await context.records.transact((tx) =>
      requests.map(({ attributes, projectId }) => resource.create(planning(tx, context), attributes, projectId)),
    );
    const views = records.map(viewsOf(context));
    return { status: 201, body: isBulk ? { [plural]: views } : { [singular]: views[0] } };
  }

  const routes: Route[] = [
    route({
      method: 'GET',
      path,
      rule: `get_${singular}`,
      handler: async (context) => {
        await resource.prepare?.(context);
        const records = await context.records.list(kind, (record) => isVisible(record, context));
        const views = records.map(({ value }) => value).map(viewsOf(context));
        return { status: 200, body: listBody(plural, context.url(context.path), views, context.search) };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      rule: `get_${singular}`,
      handler: async (context) => {
        const view = viewsOf(context)(await find(context));
        return { status: 200, body: { [singular]: chosenFields(view, context.search) } };
      },
    }),
    route({ method: 'POST', path, rule: `create_${singular}`, body: z.unknown(), handler: create }),
    route({
      method: 'PUT',
      path: `${path}/:id`,
      rule: `update_${singular}`,
      body: z.unknown(),
      handler: async (context) => {
        const { id } = await find(context);
        const attributes = parsed(resource.updateSchema, bodyOf(context.body, singular));
        checkInput(attributes, context, 'update');
        const changed = await change(context, id, 'update', (plan, record) =>
          resource.update(plan, record, attributes),
        );
        return { status: 200, body: { [singular]: viewsOf(context)(changed) } };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id`,
      rule: `delete_${singular}`,
      handler: async (context) => {
        const record = await find(context);
        checkOwner(record, context, 'delete');
        checkRevision(record, context);
        await resource.delete(context, record);
        return { status: 204 };
      },
    }),
  ];
  const changeTags: Tagged['change'] = (context, id, how) =>
    change(context, id, 'update', (_plan, record) => ({ ...record, tags: how(record.tags ?? []) }));
  const tagged = { singular, path, find, change: changeTags };
  return [...routes, ...tagRoutes(tagged)];
}

/** `If-Match: revision_number=3`. */
function checkRevision(record: Owned, context: RequestContext): void {
  const expected = context.header('if-match');
  if (expected === undefined) return;
  const [, number] = /^revision_number=(\d+)$/.exec(expected.trim()) ?? [];
  if (number === undefined) throw malformed(`Couldn't parse 'If-Match: ${expected}'`);
  if (Number(number) !== record.revisionNumber) {
    const message = `Constrained to ${number}, but current revision is ${record.revisionNumber}`;
    throw networkError('precondition_failed', 'RevisionNumberConstraintFailed', message);
  }
}

interface Tagged {
  readonly singular: string;
  readonly path: string;
  find(context: RequestContext): Promise<Owned>;
  change(context: RequestContext, id: string, how: (tags: readonly string[]) => readonly string[]): Promise<Owned>;
}

const putTags = z.strictObject({ tags: tagList });

function tagRoutes({ singular, path, find, change }: Tagged): Route[] {
  const missing = (tag: string): CumuletError =>
    networkError('not_found', 'TagNotFound', `Tag ${tag} could not be found.`);
  return [
    route({
      method: 'GET',
      path: `${path}/:id/tags`,
      rule: `get_${singular}`,
      handler: async (context) => ({ status: 200, body: { tags: (await find(context)).tags ?? [] } }),
    }),
    route({
      method: 'PUT',
      path: `${path}/:id/tags`,
      rule: `update_${singular}`,
      body: z.unknown(),
      handler: async (context) => {
        const { tags } = parsed(putTags, context.body);
        const { id } = await find(context);
        await change(context, id, () => [...new Set(tags)]);
        return { status: 200, body: { tags: [...new Set(tags)] } };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id/tags`,
      rule: `update_${singular}`,
      handler: async (context) => {
        const { id } = await find(context);
        await change(context, id, () => []);
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:id/tags/:tag`,
      rule: `get_${singular}`,
      handler: async (context) => {
        const tag = context.param('tag');
        if (!(await find(context)).tags?.includes(tag)) throw missing(tag);
        return { status: 204 };
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/:id/tags/:tag`,
      rule: `update_${singular}`,
      handler: async (context) => {
        const [tag] = parsed(tagList, [context.param('tag')]);
        const { id } = await find(context);
        await change(context, id, (tags) => [...new Set([...tags, tag ?? ''])]);
        return { status: 201 };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id/tags/:tag`,
      rule: `update_${singular}`,
      handler: async (context) => {
        const tag = context.param('tag');
        const { id } = await find(context);
        await change(context, id, (tags) => {
          if (!tags.includes(tag)) throw missing(tag);
          return tags.filter((present) => present !== tag);
        });
        return { status: 204 };
      },
    }),
  ];
}

/** How long a resource that is being deleted takes nothing new; a controller that dies meanwhile holds it no longer. */
const CLOSING_MICROS = 10_000_000;

export interface Closing<T> {
  readonly records: Records;
  readonly kind: Kind<T>;
  readonly id: string;
  readonly now: number;
  /** Changes, with the record, whatever those compare who might refer to it. */
  alsoMark?(tx: Tx): void;
  /** Asked when nothing new can refer to the record any more: throws when something does. */
  check(): Promise<void>;
  /** With the record, in its transaction. */
  alsoDelete?(tx: Tx): void;
}

/**
 * Deletes what others may refer to. First it is marked, so that a writer who compares it sees that it is going; then
 * what refers to it is looked for, in lists as new as the mark; then it goes, or the mark is taken away.
 */
export async function deleteClosed<T extends Owned>(closing: Closing<T>): Promise<void> {
  const { records, kind, id, now } = closing;
  const mark = (closingUntil: number | undefined): Promise<void> =>
    records.transact((tx) => {
      const record = tx.get(kind, id);
      if (record === undefined) return;
      tx.update(kind, { ...record, closingUntil });
      closing.alsoMark?.(tx);
    });
  await mark(now + CLOSING_MICROS);
  try {
    await closing.check();
  } catch (error) {
    await mark(undefined);
    throw error;
  }
  await records.transact((tx) => {
    if (tx.get(kind, id) === undefined) return;
    tx.delete(kind, id);
    closing.alsoDelete?.(tx);
  });
}
