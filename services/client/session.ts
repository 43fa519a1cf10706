// A session: one identity on one cloud. Adds token, address and microversion to a call, logs in when needed (once more
// when a token turns out to be void), and turns every refusal into a ClientError.

import type { Readable } from 'node:stream';
import { authRequest, endpointOf, identityRoot, readToken, type Token } from './auth.ts';
import type { CloudConfig } from './cloud-config.ts';
import { ClientError, readFault } from './error.ts';
import type { HttpRequest, HttpResponse, Transport } from './http.ts';
import { noTokenCache, type TokenCache } from './token-cache.ts';

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Call {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: Readable | Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly microversion?: string;
  readonly idleTimeout?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed when it is JSON; undefined when there is no body. */
  readonly json: unknown;
  readonly text: string;
}

/** Sees each exchange: for --debug and --timing. */
export interface Observer {
  request?(request: HttpRequest): void;
  response?(request: HttpRequest, response: { status: number; headers: HttpResponse['headers']; text: string }): void;
  timing?(request: HttpRequest, milliseconds: number): void;
}

export interface SessionParts {
  readonly config: CloudConfig;
  readonly transport: Transport;
  readonly cache?: TokenCache;
  readonly observer?: Observer;
  readonly userAgent?: string;
}

/** Sent unless the caller or the configuration names one: cloudctl shows the same columns at every version. */
const MICROVERSION: Readonly<Record<string, { header: string; version: string }>> = {
  compute: { header: 'compute', version: 'latest' },
  placement: { header: 'placement', version: 'latest' },
  volume: { header: 'volume', version: 'latest' },
};

export class Session {
  readonly config: CloudConfig;
  readonly #transport: Transport;
  readonly #cache: TokenCache;
  readonly #observer: Observer;
  readonly #userAgent: string;
  #token: Promise<Token> | undefined;
  /** The token in use was kept by an earlier run: its catalog may be older than the cloud's services. */
  #kept = false;

  constructor(parts: SessionParts) {
    this.config = parts.config;
    this.#transport = parts.transport;
    this.#cache = parts.cache ?? noTokenCache;
    this.#observer = parts.observer ?? {};
    this.#userAgent = parts.userAgent ?? 'cumulet-client';
  }

  /** The token of this session; logs in if there is none. */
  token(): Promise<Token> {
    this.#token ??= this.#obtain().catch((error) => {
      this.#token = undefined;
      throw error;
    });
    return this.#token;
  }

  /** A new token, whatever was kept. */
  async renew(): Promise<Token> {
    this.#cache.forget(this.config);
    this.#kept = false;
    this.#token = this.#login();
    return this.#token;
  }

  async projectId(): Promise<string> {
    const { project } = await this.token();
    if (!project) throw new ClientError('These credentials are not scoped to a project.');
    return project.id;
  }

  async endpoint(service: string): Promise<string> {
    const { catalog } = await this.token();
    try {
      return endpointOf(this.config, catalog, service);
    } catch (error) {
      if (!this.#kept) throw error;
      return endpointOf(this.config, (await this.renew()).catalog, service);
    }
  }

  async call(service: string, method: string, path: string, call: Call = {}): Promise<Answer> {
    const response = await this.open(service, method, path, call);
    const text = await response.text();
    this.#observer.response?.(requestOf(response), { status: response.status, headers: response.headers, text });
    const type = response.headers['content-type'] ?? '';
    const json = text !== '' && type.includes('json') ? parseJson(text, service) : undefined;
    return { status: response.status, headers: response.headers, json, text };
  }

  /** As call(), but leaves the body of a good answer to the caller. */
  async open(service: string, method: string, path: string, call: Call = {}): Promise<HttpResponse> {
    const first = await this.#send(service, method, path, call);
    // A stream is used up by the first attempt; everything else may be said again with a fresh token.
    const repeatable = typeof call.body !== 'object' || call.body instanceof Uint8Array;
    if (first.status !== 401 || !repeatable || this.config.authType === 'none') return this.#check(service, first);
    await first.text();
    await this.renew();
    return this.#check(service, await this.#send(service, method, path, call));
  }

  async #send(service: string, method: string, path: string, call: Call): Promise<HttpResponse> {
    const base = await this.endpoint(service);
    const token = await this.token();
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': this.#userAgent };
    if (token.secret) headers['x-auth-token'] = token.secret;
    const micro = MICROVERSION[service];
    const version = call.microversion ?? this.config.apiVersions[service] ?? micro?.version ?? '';
    // A bare `2` in OS_COMPUTE_API_VERSION means the major version alone: no microversion header.
    if (micro && (version === 'latest' || version.includes('.'))) {
      headers['openstack-api-version'] = `${micro.header} ${version}`;
    }
    let body: HttpRequest['body'] = call.body;
    if (call.json !== undefined) {
      body = JSON.stringify(call.json);
      headers['content-type'] = 'application/json';
    }
    if (typeof body === 'string') headers['content-length'] = String(Buffer.byteLength(body));
    Object.assign(headers, call.headers);
    const url = `${base}${path}${queryText(call.query)}`;
    return this.#exchange({ method, url, headers, body, idleTimeout: call.idleTimeout });
  }

  async #exchange(request: HttpRequest): Promise<HttpResponse> {
    this.#observer.request?.(request);
    const started = performance.now();
    const response = await this.#transport(request);
    this.#observer.timing?.(request, performance.now() - started);
    requests.set(response, request);
    return response;
  }

  async #check(service: string, response: HttpResponse): Promise<HttpResponse> {
    if (response.status < 400) return response;
    const text = await response.text();
    const request = requestOf(response);
    this.#observer.response?.(request, { status: response.status, headers: response.headers, text });
    throw faultOf(service, request, response, text);
  }

  async #obtain(): Promise<Token> {
    if (this.config.authType === 'none') {
      return { secret: '', expiresAt: '', user: { id: '', name: '' }, roles: [], catalog: [] };
    }
    const kept = this.#cache.read(this.config);
    this.#kept = kept !== undefined;
    return kept ?? (await this.#login());
  }

  async #login(): Promise<Token> {
    const body = JSON.stringify(authRequest(this.config));
    const headers = {
      accept: 'application/json',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': this.#userAgent,
    };
    const url = `${identityRoot(this.config.auth.auth_url ?? '')}/auth/tokens`;
    const response = await this.#exchange({ method: 'POST', url, headers, body });
    await this.#check('identity', response);
    const text = await response.text();
    this.#observer.response?.(requestOf(response), { status: response.status, headers: response.headers, text });
    const secret = response.headers['x-subject-token'];
    if (!secret) throw new ClientError(`${url} did not answer as Keystone does: no X-Subject-Token.`);
    const token = readToken(secret, parseJson(text, 'identity'));
    this.#cache.write(this.config, token);
    return token;
  }
}

const requests = new WeakMap<HttpResponse, HttpRequest>();
const requestOf = (response: HttpResponse): HttpRequest =>
  requests.get(response) ?? { method: '', url: '', headers: {} };

function parseJson(text: string, service: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ClientError(`The ${service} service answered something that is not JSON.`, { cause, service });
  }
}

function queryText(query: Query | undefined): string {
  if (!query) return '';
  const pairs = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) pairs.append(key, String(one));
  }
  const text = pairs.toString();
  return text === '' ? '' : `?${text}`;
}

export function faultOf(service: string, request: HttpRequest, response: HttpResponse, text: string): ClientError {
  const fault = readFault(text, response.headers['content-type'] ?? '');
  const requestId = response.headers['x-openstack-request-id'] ?? response.headers['x-compute-request-id'];
  return new ClientError(fault.message ?? `The ${service} service answered HTTP ${response.status}.`, {
    code: response.status,
    type: fault.type,
    requestId,
    service,
    method: request.method,
    url: request.url,
  });
}
