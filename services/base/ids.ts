// Identifiers as OpenStack has them: dashed UUIDv4 for most things, 32 hex digits in Keystone.

import { randomBytes, randomUUID } from 'node:crypto';

/** A dashed UUIDv4. */
export const newUuid = (): string => randomUUID();

/** 32 hex digits: users, projects, roles. */
export const newHexId = (): string => randomUUID().replaceAll('-', '');

/** `req-<uuid>`: one for each request that arrives. */
export const newRequestId = (): string => `req-${randomUUID()}`;

/** URL-safe random text of `bytes` bytes of entropy: passwords and token keys. */
export const newSecret = (bytes = 18): string => randomBytes(bytes).toString('base64url');

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Accepts a UUID with dashes, in either case. */
export const isUuid = (text: string): boolean => UUID.test(text);
