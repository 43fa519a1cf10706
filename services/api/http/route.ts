// Routes as data. An area exports a table of them; the kit (server.ts) does the rest, in this order: token (401), version
// (400, 406), method and path (404, 405), rule (403), body and query (400, 413, 415), handler.
//
// Several routes may share a method and a path: with microversion ranges that do not meet, or as actions, where the one
// key of the body chooses.

import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ZodType, z } from 'zod';
import type { Check, Rules } from '../policy/checks.ts';
import type { CatalogEntry, Reply, RequestContext } from './context.ts';
import type { Dialect } from './dialects.ts';
import { Microversion, type MicroversionRange } from './microversion.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Schemas by the microversion from which each holds, oldest first. */
export type SchemaByVersion = readonly (readonly [from: string, schema: ZodType])[];

/** `stream` leaves the body unread for the handler (ctx.request). */
export type BodySpec = ZodType | SchemaByVersion | 'stream' | undefined;
export type QuerySpec = ZodType | SchemaByVersion | undefined;

type OutputOf<S> = S extends ZodType
  ? z.output<S>
  : S extends readonly (readonly [string, infer T])[]
    ? T extends ZodType
      ? z.output<T>
      : never
    : undefined;

type QueryOf<S> = S extends undefined ? Readonly<Record<string, unknown>> : OutputOf<S>;

export interface RouteSpec<B extends BodySpec = BodySpec, Q extends QuerySpec = QuerySpec> {
  readonly method: Method;
  /** Under the area's root, as express writes it: `/flavors/:flavor_id`. */
  readonly path: string;
  /** The key of the body that chooses this route among those that share its method and path. */
  readonly action?: string;
  /** A policy rule, or `public` for what needs no token. */
  readonly rule: string;
  /** First and last microversion that have the route. Outside it is a 404. */
  readonly microversions?: readonly [min: string, max?: string];
  readonly body?: B;
  readonly query?: Q;
  /** Media types of the body, where JSON is not what is wanted. */
  readonly contentTypes?: readonly string[];
  handler(context: RequestContext<OutputOf<B>, QueryOf<Q>>): Promise<Reply>;
}

/** A route with its types erased and its versions parsed. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly action: string | undefined;
  readonly rule: string;
  readonly min: Microversion | undefined;
  readonly max: Microversion | undefined;
  readonly body: readonly (readonly [from: Microversion, schema: ZodType])[] | 'stream' | undefined;
  readonly query: readonly (readonly [from: Microversion, schema: ZodType])[] | undefined;
  readonly contentTypes: readonly string[];
  handler(context: RequestContext<unknown, unknown>): Promise<Reply>;
}

export const PUBLIC = 'public';

const ALWAYS = new Microversion(0, 0);

const versioned = (spec: ZodType | SchemaByVersion): readonly (readonly [Microversion, ZodType])[] =>
  Array.isArray(spec)
    ? (spec as SchemaByVersion).map(([from, schema]) => [Microversion.parse(from), schema] as const)
    : [[ALWAYS, spec as ZodType]];

/** Checks and completes a route; the handler sees the types of its schemas. */
export function route<const B extends BodySpec = undefined, const Q extends QuerySpec = undefined>(
  spec: RouteSpec<B, Q>,
): Route {
  const [min, max] = spec.microversions ?? [];
  const body: BodySpec = spec.body;
  return {
    method: spec.method,
    path: spec.path,
    action: spec.action,
    rule: spec.rule,
    min: min === undefined ? undefined : Microversion.parse(min),
    max: max === undefined ? undefined : Microversion.parse(max),
    body: body === undefined || body === 'stream' ? body : versioned(body),
    query: spec.query === undefined ? undefined : versioned(spec.query as ZodType | SchemaByVersion),
    contentTypes: spec.contentTypes ?? ['application/json'],
    handler: spec.handler as unknown as Route['handler'],
  };
}

export interface SocketContext {
  readonly search: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly baseUrl: string;
  readonly requestId: string;
}

/** A websocket of an area, by its whole path (`/console/serial`). It authorizes by a ticket in its URL, not by a token. */
export interface SocketRoute {
  readonly path: string;
  readonly protocols?: readonly string[];
  /** Throws (a CumuletError) to refuse before the upgrade; what it returns runs the socket. */
  accept(context: SocketContext): Promise<(socket: WebSocket, stream: Duplex) => void>;
}

export const websocket = (path: string, accept: SocketRoute['accept'], protocols?: readonly string[]): SocketRoute => ({
  path,
  accept,
  protocols,
});

/** One API: what createApi mounts. */
export interface Area {
  readonly name: string;
  readonly dialect: Dialect;
  /** `/compute`. */
  readonly prefix: string;
  /** Under the prefix, where the routes live: `/v2.1`, or empty. */
  readonly root: string;
  readonly routes: readonly Route[];
  /** Version documents: paths under the prefix, not under the root; no microversion is negotiated for them. */
  readonly documents?: readonly Route[];
  readonly rules: Rules;
  readonly microversions?: MicroversionRange;
  readonly catalog?: readonly CatalogEntry[];
  readonly sockets?: readonly SocketRoute[];
  /** Rewrites the path under the prefix before it is matched: other spellings of the root. */
  rewrite?(path: string): string;
  /** Largest JSON body in bytes; 1 MiB when absent. */
  readonly bodyLimit?: number;
}

export type { Check };
