// Reading a request: the address that the caller used, ids, the query, the body. Nothing here knows a dialect.

import type { IncomingMessage } from 'node:http';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CumuletError } from '#base';

const HOST = /^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/;
const PREFIX = /^(\/[A-Za-z0-9._~-]+)*$/;
const REQUEST_ID = /^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The first of a list of forwarded values is the one nearest to the client. */
const firstOf = (value: string | undefined): string | undefined => value?.split(',')[0]?.trim();

/**
 * The address that the caller used, so that every link it gets leads back the same way: Host, or what a proxy forwards.
 * A value that cannot be one is ignored, lest it end up in a link.
 */
export function baseUrlOf(request: IncomingMessage): string {
  const forwardedHost = firstOf(headerOf(request, 'x-forwarded-host'));
  const host = [forwardedHost, request.headers.host].find(
    (candidate) => candidate !== undefined && HOST.test(candidate),
  );
  const forwardedProto = firstOf(headerOf(request, 'x-forwarded-proto'))?.toLowerCase();
  const encrypted = 'encrypted' in request.socket;
  const proto = forwardedProto === 'https' || forwardedProto === 'http' ? forwardedProto : encrypted ? 'https' : 'http';
  const forwardedPrefix = firstOf(headerOf(request, 'x-forwarded-prefix'))?.replace(/\/+$/, '') ?? '';
  const prefix = PREFIX.test(forwardedPrefix) ? forwardedPrefix : '';
  return `${proto}://${host ?? localAddress(request)}${prefix}`;
}

function localAddress(request: IncomingMessage): string {
  const { localAddress: address = '127.0.0.1', localPort: port } = request.socket;
  return `${address.includes(':') ? `[${address}]` : address}:${port ?? 80}`;
}

/** An inbound `req-<uuid>` is the caller's global id. */
export function globalRequestIdOf(request: IncomingMessage): string | undefined {
  const given = headerOf(request, 'x-openstack-request-id');
  return given !== undefined && REQUEST_ID.test(given) ? given : undefined;
}

/** The query as an object: a key given several times becomes a list. */
export function queryObject(search: URLSearchParams): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  for (const [key, value] of search) {
    const present = query[key];
    if (present === undefined) query[key] = value;
    else if (typeof present === 'string') query[key] = [present, value];
    else present.push(value);
  }
  return query;
}

function decoded(request: IncomingMessage): NodeJS.ReadableStream {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  switch (encoding) {
    case 'identity':
      return request;
    case 'gzip':
    case 'x-gzip':
      return request.pipe(createGunzip());
    case 'deflate':
      return request.pipe(createInflate());
    case 'br':
      return request.pipe(createBrotliDecompress());
    default:
      throw new CumuletError('invalid', `Content-Encoding ${encoding} is not supported`);
  }
}

export class MalformedBody extends Error {}

/** The whole body, unpacked; the limit counts unpacked bytes, so that a small bomb stays small. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limit) throw tooLarge(limit);
  const parts: Buffer[] = [];
  let size = 0;
  const stream = decoded(request);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      parts.push(chunk);
    }
  } catch (error) {
    if (error instanceof CumuletError) throw error;
    throw new MalformedBody('the body cannot be read or unpacked');
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

const tooLarge = (limit: number): CumuletError =>
  new CumuletError('too_large', `Request is too large: a body may have ${limit} bytes.`);

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined for an empty body. Throws MalformedBody for what is not JSON in UTF-8. */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch (error) {
    throw new MalformedBody(error instanceof SyntaxError ? error.message : 'the body is not UTF-8');
  }
}

/** `application/json; charset=utf-8` without its parameters, in lower case; undefined when there is none. */
export function mediaTypeOf(request: IncomingMessage): string | undefined {
  const value = headerOf(request, 'content-type');
  return value === undefined ? undefined : value.split(';')[0]!.trim().toLowerCase();
}
