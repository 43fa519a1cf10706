// What nearly every OpenStack resource can do: list (page by page), get, create, update, delete, and be found by name or
// id. The services differ in keys, verbs and paging; a CollectionShape says how.

import { ClientError, isNotFound } from './error.ts';
import type { Query, Session } from './session.ts';

export interface Resource {
  readonly id: string;
  readonly name?: string | null;
  readonly [field: string]: unknown;
}

export interface CollectionShape {
  readonly service: string;
  readonly path: string;
  /** Key of the list in an answer; Glance and Keystone follow the same rule as everybody. */
  readonly plural: string;
  /** Key that wraps one resource; undefined where the body is the resource itself (Glance). */
  readonly singular?: string;
  /** Where lists have more columns: `/servers/detail`. */
  readonly listPath?: string;
  readonly update?: 'PUT' | 'PATCH';
  /** Query key that selects by exact name, if the service has one. */
  readonly nameQuery?: string;
  /** For people: "security group". */
  readonly noun: string;
  /** Sent with each list that looks a name up (all_tenants and the like are the caller's). */
  readonly findQuery?: Query;
}

/** How many pages a list follows before it says that the server goes in circles. */
const MAX_PAGES = 10_000;

export class Collection<T extends Resource = Resource> {
  readonly shape: CollectionShape;
  readonly session: Session;

  constructor(session: Session, shape: CollectionShape) {
    this.session = session;
    this.shape = shape;
  }

  /** All of them: follows the links of every page, unless the caller gave a limit. */
  async list(query: Query = {}): Promise<T[]> {
    const { service, listPath, path, plural } = this.shape;
    const all: T[] = [];
    let next: Query | undefined = query;
    for (let page = 0; next; page++) {
      if (page > MAX_PAGES) throw new ClientError(`The ${service} service repeats its pages without end.`, { service });
      const { json } = await this.session.call(service, 'GET', listPath ?? path, { query: next });
      const body = json as Record<string, unknown>;
      const items = body[plural];
      if (!Array.isArray(items))
        throw new ClientError(`The ${service} service sent no list of ${plural}.`, { service });
      all.push(...(items as T[]));
      const link: string | undefined =
        query.limit === undefined && items.length > 0 ? nextLink(body, plural) : undefined;
      next = link ? { ...query, ...Object.fromEntries(new URL(link, 'http://any').searchParams) } : undefined;
    }
    return all;
  }

  async get(id: string): Promise<T> {
    const { service, path } = this.shape;
    return this.#unwrap((await this.session.call(service, 'GET', `${path}/${encodeURIComponent(id)}`)).json);
  }

  async create(fields: Readonly<Record<string, unknown>>): Promise<T> {
    const { service, path, singular } = this.shape;
    const json = singular ? { [singular]: fields } : fields;
    return this.#unwrap((await this.session.call(service, 'POST', path, { json })).json);
  }

  async update(id: string, fields: Readonly<Record<string, unknown>>): Promise<T> {
    const { service, path, singular, update = 'PUT' } = this.shape;
    const json = singular ? { [singular]: fields } : fields;
    return this.#unwrap((await this.session.call(service, update, `${path}/${encodeURIComponent(id)}`, { json })).json);
  }

  async delete(id: string): Promise<void> {
    const { service, path } = this.shape;
    await this.session.call(service, 'DELETE', `${path}/${encodeURIComponent(id)}`);
  }

  /** By id first, then by exact name; says so when a name means several. */
  async find(nameOrId: string, query: Query = {}): Promise<T> {
    const { noun } = this.shape;
    try {
      if (nameOrId !== '' && !nameOrId.includes('/')) return await this.get(nameOrId);
    } catch (error) {
      // Some services refuse a text that cannot be an id instead of not finding it.
      if (!isNotFound(error) && !(error instanceof ClientError && error.code === 400)) throw error;
    }
    const named = (await this.list({ ...this.shape.findQuery, ...query, ...this.#byName(nameOrId) })).filter(
      (one) => one.name === nameOrId,
    );
    const [first, second] = named;
    if (second) throw new ClientError(`More than one ${noun} exists with the name '${nameOrId}'.`, { code: 409 });
    if (!first) throw new ClientError(`No ${noun} found for ${nameOrId}`, { code: 404 });
    return first;
  }

  #byName(name: string): Query {
    const { nameQuery, service } = this.shape;
    if (!nameQuery) return {};
    // Nova's name filter is a regular expression.
    return { [nameQuery]: service === 'compute' ? `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$` : name };
  }

  #unwrap(json: unknown): T {
    const { singular, service, noun } = this.shape;
    const body = (json ?? {}) as Record<string, unknown>;
    const inner = singular ? body[singular] : body;
    if (typeof inner !== 'object' || inner === null) {
      throw new ClientError(`The ${service} service sent no ${noun}.`, { service });
    }
    return inner as T;
  }
}

/** Nova and Neutron: `<things>_links`; Glance: `next`; Keystone: `links.next`. */
function nextLink(body: Readonly<Record<string, unknown>>, plural: string): string | undefined {
  const listed = body[`${plural}_links`];
  if (Array.isArray(listed)) {
    const next = listed.find((link: { rel?: string; href?: string }) => link.rel === 'next');
    return typeof next?.href === 'string' ? next.href : undefined;
  }
  if (typeof body.next === 'string') return body.next;
  const links = body.links as { next?: unknown } | undefined;
  return typeof links?.next === 'string' ? links.next : undefined;
}
