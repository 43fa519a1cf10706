// The one place that speaks HTTP. Node's own http modules rather than fetch: they load faster, upload a stream with
// progress, and take a private CA (`cacert`), a client certificate and `verify: false`, which fetch cannot without a package.

import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Readable } from 'node:stream';
import { ClientError } from './error.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Readable;
  /** Milliseconds without a byte in either direction after which the call fails. */
  readonly idleTimeout?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  text(): Promise<string>;
  /** The body, for who wants to stream it. Either this or text(), not both. */
  readonly stream: Readable;
}

/** What the session needs of HTTP; a test passes a function. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

export interface TlsOptions {
  readonly verify?: boolean;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpTransport {
  readonly send: Transport;
  /** Closes idle connections, so that a program may end. */
  close(): void;
}

export function createTransport(tls: TlsOptions = {}): HttpTransport {
  const agents = new Map<string, Agent>();
  const send: Transport = async (request) => {
    const url = new URL(request.url);
    const secure = url.protocol === 'https:';
    if (!secure && url.protocol !== 'http:') throw new ClientError(`Not an HTTP address: ${request.url}`);
    const module = secure ? await import('node:https') : await import('node:http');
    let agent = agents.get(url.protocol);
    if (!agent) {
      agent = secure
        ? new (await import('node:https')).Agent({ keepAlive: true, ...(await tlsSettings(tls)) })
        : new module.Agent({ keepAlive: true });
      agents.set(url.protocol, agent);
    }
    const options: RequestOptions = { method: request.method, headers: { ...request.headers }, agent };
    return exchange(module.request(url, options), request);
  };
  const close = (): void => {
    for (const agent of agents.values()) agent.destroy();
    agents.clear();
  };
  return { send, close };
}

async function tlsSettings(tls: TlsOptions): Promise<Record<string, unknown>> {
  const { readFile } = await import('node:fs/promises');
  const settings: Record<string, unknown> = { rejectUnauthorized: tls.verify ?? true };
  if (tls.cacert) settings.ca = await readFile(tls.cacert);
  if (tls.cert) settings.cert = await readFile(tls.cert);
  if (tls.key) settings.key = await readFile(tls.key);
  return settings;
}

function exchange(outgoing: ClientRequest, request: HttpRequest): Promise<HttpResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const fail = (cause: Error & { code?: string }): void => reject(unreachable(request, cause));
  outgoing.on('error', fail);
  outgoing.on('response', (incoming) => resolve(responseOf(incoming)));
  const idle = request.idleTimeout ?? 120_000;
  outgoing.setTimeout(idle, () => outgoing.destroy(new Error(`no answer for ${Math.round(idle / 1000)} s`)));
  const { body } = request;
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    outgoing.end(body);
  } else {
    body.on('error', (error) => outgoing.destroy(error));
    body.pipe(outgoing);
  }
  return promise;
}

function unreachable(request: HttpRequest, cause: Error & { code?: string }): ClientError {
  const { origin } = new URL(request.url);
  const reason = cause.code === 'ECONNREFUSED' ? 'nothing listens there (is the cloud up?)' : cause.message;
  return new ClientError(`Unable to establish connection to ${origin}: ${reason}`, {
    method: request.method,
    url: request.url,
    cause,
  });
}

function responseOf(incoming: IncomingMessage): HttpResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '');
  }
  return {
    status: incoming.statusCode ?? 0,
    headers,
    stream: incoming,
    text: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}
