// Puts areas behind one port. Each request passes, in this order: ids and headers, token (401), microversion (400, 406),
// method and path (404, 405), rule (403), body and query (400, 413, 415), handler. Invariants: every answer carries a
// request id; every refusal is worded in the dialect of the service that was called; nothing internal leaves.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express, { type Express, type Request, type Response } from 'express';
import { WebSocketServer } from 'ws';
import { CumuletError, messageOf, newRequestId } from '#base';
import { Policy } from '../policy/enforcer.ts';
import { type ApiComponents, type AuthContext, PolicyRefusal, type Reply, RequestContext } from './context.ts';
import { type Dialect, KEYSTONE } from './dialects.ts';
import { type Failure, failureOf, HttpFault, reasonOf } from './faults.ts';
import { askedVersion, Microversion, negotiate } from './microversion.ts';
import {
  baseUrlOf,
  globalRequestIdOf,
  headerOf,
  MalformedBody,
  mediaTypeOf,
  parseJson,
  queryObject,
  readBody,
} from './request.ts';
import { type Area, PUBLIC, type Route } from './route.ts';

const BODY_LIMIT = 1024 * 1024;
const NO_VERSION = new Microversion(0, 0);
const UNAUTHENTICATED = 'The request you have made requires authentication.';

export interface Api {
  readonly app: Express;
  readonly policy: Policy;
  /** For the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export function createApi(components: ApiComponents, areas: readonly Area[]): Api {
  const policy = new Policy(...areas.map((area) => area.rules));
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('case sensitive routing', true);
  for (const area of areas) new Mount(components, areas, area, policy).into(app);
  app.get('/', (request, response) => {
    const base = components.publicUrl ?? baseUrlOf(request);
    const services = areas.filter((area) => area.catalog !== undefined);
    response.json({ services: services.map((area) => ({ name: area.name, href: base + area.prefix })) });
  });
  app.use((_request, response) => {
    response
      .status(404)
      .json({ error: { code: 404, title: 'Not Found', message: 'No service answers at this path.' } });
  });
  return { app, policy, upgrade: createUpgrade(components, areas) };
}

/** One request on its way. */
interface Passage {
  readonly request: Request;
  readonly response: Response;
  readonly requestId: string;
}

/** Routes of one method and path pattern. */
type Candidates = readonly Route[];

class Mount {
  readonly #components: ApiComponents;
  readonly #areas: readonly Area[];
  readonly #area: Area;
  readonly #policy: Policy;
  readonly #dialect: Dialect;

  constructor(components: ApiComponents, areas: readonly Area[], area: Area, policy: Policy) {
    this.#components = components;
    this.#areas = areas;
    this.#area = area;
    this.#policy = policy;
    this.#dialect = area.dialect;
  }

  into(app: Express): void {
    const { prefix, root, routes, documents = [], rewrite } = this.#area;
    const router = express.Router({ caseSensitive: true, strict: false });
    router.use((request, response, next) => {
      const requestId = newRequestId();
      response.locals.requestId = requestId;
      response.set('X-Openstack-Request-Id', requestId);
      for (const name of this.#dialect.requestIdHeaders) response.set(name, requestId);
      if (rewrite !== undefined) {
        const [path, ...query] = request.url.split('?');
        request.url = [rewrite(path ?? '/'), ...query].join('?');
      }
      next();
    });
    for (const [path, candidates] of byPath(documents)) this.#register(router, path, candidates, false);
    for (const [path, candidates] of byPath(routes)) this.#register(router, root + path, candidates, true);
    router.use((request, response) => this.#guard({ request, response, requestId: idOf(response) }, this.#unknown));
    app.use(prefix, router);
  }

  #register(router: express.Router, path: string, candidates: Candidates, versioned: boolean): void {
    router.all(path === '' ? '/' : path, (request, response) =>
      this.#guard({ request, response, requestId: idOf(response) }, (passage) =>
        this.#serve(passage, candidates, versioned),
      ),
    );
  }

  async #guard(passage: Passage, serve: (passage: Passage) => Promise<void>): Promise<void> {
    try {
      await serve.call(this, passage);
    } catch (error) {
      this.#fail(passage, error);
    }
  }

  async #unknown(passage: Passage): Promise<void> {
    if (this.#dialect.authenticatesUnknownPaths) await this.#authenticate(passage.request);
    throw new Refusal(this.#dialect.notFound());
  }

  async #serve(passage: Passage, candidates: Candidates, versioned: boolean): Promise<void> {
    const { request, response, requestId } = passage;
    const own = candidates.filter((route) => route.method === request.method);
    const open = (own.length > 0 ? own : candidates).every((route) => route.rule === PUBLIC);
    const token = headerOf(request, 'x-auth-token');
    const auth = open ? await this.#maybeAuthenticate(token) : await this.#authenticate(request);
    const microversion = versioned ? this.#negotiate(request, response) : NO_VERSION;
    const applicable = this.#applicable(request, candidates, microversion);
    const { route, body, raw } = await this.#choose(request, applicable);
    const params = request.params as Record<string, string>;
    const allowed = route.rule === PUBLIC || (auth !== undefined && this.#policy.allows(route.rule, auth, params));
    if (!allowed) throw new PolicyRefusal(route.rule);
    const search = searchOf(request);
    const context = new RequestContext({
      components: this.#components,
      policy: this.#policy,
      catalog: this.#areas.flatMap((area) => area.catalog ?? []),
      auth,
      token,
      params,
      search,
      query: this.#query(route, search, microversion),
      body: this.#body(route, body, raw, microversion),
      microversion,
      requestId,
      globalRequestId: globalRequestIdOf(request),
      baseUrl: this.#components.publicUrl ?? baseUrlOf(request),
      path: request.baseUrl + request.path,
      request,
    });
    await send(request, response, await route.handler(context));
  }

  async #maybeAuthenticate(token: string | undefined): Promise<AuthContext | undefined> {
    return token === undefined ? undefined : this.#components.tokens.verify(token);
  }

  async #authenticate(request: IncomingMessage): Promise<AuthContext> {
    const auth = await this.#maybeAuthenticate(headerOf(request, 'x-auth-token'));
    if (auth === undefined) throw new CumuletError('unauthenticated', UNAUTHENTICATED);
    return auth;
  }

  #negotiate(request: IncomingMessage, response: Response): Microversion {
    const range = this.#area.microversions;
    if (range === undefined) return NO_VERSION;
    const asked = askedVersion((name) => headerOf(request, name.toLowerCase()), range);
    const show = (version: string): void => {
      response.set('OpenStack-API-Version', `${range.service} ${version}`);
      response.vary('OpenStack-API-Version');
      if (range.legacyHeader === undefined) return;
      response.set(range.legacyHeader, version);
      response.vary(range.legacyHeader);
    };
    // A version that is not served is echoed as it was asked.
    if (asked !== undefined && asked.toLowerCase() !== 'latest') show(asked);
    const version = negotiate(asked, range);
    show(version.toString());
    return version;
  }

  #applicable(request: Request, candidates: Candidates, version: Microversion): Candidates {
    const served = candidates.filter((route) => version === NO_VERSION || version.within(route.min, route.max));
    if (served.length === 0) throw new Refusal(this.#dialect.notFound());
    const method = request.method;
    const fit = served.filter((route) => route.method === method);
    const found = fit.length === 0 && method === 'HEAD' ? served.filter((route) => route.method === 'GET') : fit;
    if (found.length > 0) return found;
    // A method that another version has is not there yet, or not any more.
    if (candidates.some((route) => route.method === method)) throw new Refusal(this.#dialect.notFound());
    const allow = [...new Set(served.map((route) => route.method))].join(', ');
    throw new Refusal({
      status: 405,
      message: `The method ${method} is not allowed for this resource.`,
      headers: { Allow: allow },
    });
  }

  /** The route, and the body as far as it had to be read to choose or to check it. */
  async #choose(request: Request, candidates: Candidates): Promise<{ route: Route; body: unknown; raw: boolean }> {
    const first = candidates[0]!;
    const stream = first.body === 'stream';
    if (stream || (first.body === undefined && first.action === undefined)) {
      return { route: first, body: undefined, raw: true };
    }
    const given = mediaTypeOf(request);
    const bytes = await readBody(request, this.#area.bodyLimit ?? BODY_LIMIT);
    if (bytes.length > 0 && given !== undefined && !first.contentTypes.includes(given)) {
      throw new Refusal(this.#dialect.unsupportedMediaType(given, first.contentTypes));
    }
    const body = this.#parse(bytes);
    if (first.action === undefined) return { route: first, body, raw: false };
    const keys = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : [];
    const route = candidates.find((candidate) => candidate.action !== undefined && keys[0] === candidate.action);
    if (keys.length !== 1) throw new Refusal(this.#dialect.malformed('an action is one key and its arguments'));
    if (route === undefined) throw new HttpFault(400, `There is no such action: ${keys[0]}`);
    return { route, body, raw: false };
  }

  #parse(bytes: Buffer): unknown {
    try {
      return parseJson(bytes);
    } catch (error) {
      throw new Refusal(this.#dialect.malformed(messageOf(error)));
    }
  }

  #body(route: Route, body: unknown, raw: boolean, version: Microversion): unknown {
    if (raw || route.body === undefined || route.body === 'stream') return body;
    const schema = route.body.findLast(([from]) => version.compare(from) >= 0)?.[1];
    if (schema === undefined) return body;
    const result = schema.safeParse(body);
    if (!result.success) throw new Refusal(this.#dialect.invalid(result.error, body, 'body'));
    return result.data;
  }

  #query(route: Route, search: URLSearchParams, version: Microversion): unknown {
    const query = queryObject(search);
    if (route.query === undefined) return query;
    const schema = route.query.findLast(([from]) => version.compare(from) >= 0)?.[1];
    if (schema === undefined) return query;
    const result = schema.safeParse(query);
    if (!result.success) throw new Refusal(this.#dialect.invalid(result.error, query, 'query'));
    return result.data;
  }

  #fail(passage: Passage, error: unknown): void {
    const { request, response, requestId } = passage;
    if (response.headersSent) {
      // Half an answer is out: only cutting the connection tells the client that it is not whole.
      this.#components.log.warn({ requestId, error: messageOf(error) }, 'an answer broke off');
      response.destroy();
      return;
    }
    const failure = this.#failureOf(error, passage);
    const unauthenticated = failure.status === 401;
    // The token middleware answers for every service, in Keystone's words.
    const dialect = unauthenticated ? KEYSTONE : this.#dialect;
    if (unauthenticated) {
      const base = this.#components.publicUrl ?? baseUrlOf(request);
      response.set('WWW-Authenticate', `Keystone uri="${base}/identity"`);
    }
    const range = failure.status === 406 ? this.#area.microversions : undefined;
    const rendered = dialect.render(failure, {
      requestId,
      acceptsJson: (headerOf(request, 'accept') ?? '').includes('application/json'),
      range: range === undefined ? undefined : { min: range.min.toString(), max: range.max.toString() },
    });
    for (const [name, value] of Object.entries(failure.headers ?? {})) response.set(name, value);
    // An unread body would be taken for the next request.
    if (!request.complete) response.set('Connection', 'close');
    response.status(failure.status).set('Content-Type', rendered.contentType);
    response.end(request.method === 'HEAD' ? undefined : rendered.body);
  }

  #failureOf(error: unknown, { request, requestId }: Passage): Failure {
    if (error instanceof Refusal) return error.failure;
    if (error instanceof PolicyRefusal) return this.#dialect.forbidden(error.rule);
    if (error instanceof MalformedBody) return this.#dialect.malformed(error.message);
    if (error instanceof URIError) return this.#dialect.notFound();
    const failure = failureOf(error, this.#dialect.name);
    if (failure.unexpected) {
      const stack = error instanceof Error ? error.stack : String(error);
      const internal = error instanceof CumuletError ? error.internal : undefined;
      this.#components.log.error(
        { requestId, method: request.method, path: request.path, stack, internal },
        'unexpected error',
      );
    }
    return failure;
  }
}

/** A refusal that the dialect has worded already. */
class Refusal extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

const idOf = (response: Response): string => response.locals.requestId as string;

const searchOf = (request: Request): URLSearchParams => new URLSearchParams(request.url.split('?')[1] ?? '');

/** Routes by their path, what is spelled out before what a parameter would take. */
function byPath(routes: readonly Route[]): [path: string, routes: Route[]][] {
  const groups = new Map<string, Route[]>();
  for (const route of routes) groups.set(route.path, [...(groups.get(route.path) ?? []), route]);
  const rank = (path: string): string => path.replaceAll(/\/[:*{]/g, '/\uffff');
  return [...groups].sort(([a], [b]) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

async function send(request: Request, response: Response, reply: Reply): Promise<void> {
  response.status(reply.status);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.set(name, value);
  if (reply.stream !== undefined) {
    if (request.method === 'HEAD') {
      reply.stream.destroy();
      response.end();
      return;
    }
    await pipeline(reply.stream, response);
    return;
  }
  if (reply.body === undefined || reply.status === 204) {
    response.end();
    return;
  }
  const bytes = reply.body instanceof Uint8Array ? reply.body : Buffer.from(JSON.stringify(reply.body));
  if (!response.hasHeader('Content-Type')) response.set('Content-Type', 'application/json');
  response.set('Content-Length', String(bytes.length));
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** Websockets: matched by their whole path, refused with an HTTP status before the upgrade. */
function createUpgrade(components: ApiComponents, areas: readonly Area[]): Api['upgrade'] {
  const sockets = new Map(areas.flatMap((area) => area.sockets ?? []).map((socket) => [socket.path, socket]));
  const server = new WebSocketServer({ noServer: true, maxPayload: BODY_LIMIT });
  const upgrade = async (request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const route = sockets.get(url.pathname);
    if (route === undefined) throw new CumuletError('not_found', 'No websocket answers at this path.');
    const run = await route.accept({
      search: url.searchParams,
      headers: request.headers,
      baseUrl: components.publicUrl ?? baseUrlOf(request),
      requestId: newRequestId(),
    });
    server.handleUpgrade(request, stream, head, (socket) => run(socket, stream));
  };
  return (request, stream, head) => {
    // A client that hangs up halfway is no error of ours.
    stream.on('error', () => stream.destroy());
    upgrade(request, stream, head).catch((error: unknown) => {
      const failure = failureOf(error, 'nova');
      if (failure.unexpected) components.log.error({ error: messageOf(error) }, 'a websocket could not be opened');
      const text = failure.message === '' ? 'An unexpected error happened.' : failure.message;
      const status = failure.status;
      stream.end(
        `HTTP/1.1 ${status} ${reasonOf(status)}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
      );
    });
  };
}
