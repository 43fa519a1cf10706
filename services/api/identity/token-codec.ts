// The token on the wire: a sealed payload (AES-256-GCM), so that any controller that has the key reads it and nobody else
// can make one. base64url of  version (1) | key id (8) | nonce (12) | ciphertext | tag (16).

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { TokenKey } from '#model';

export interface TokenPayload {
  readonly userId: string;
  readonly methods: readonly string[];
  readonly projectId?: string;
  readonly domainId?: string;
  readonly system?: boolean;
  readonly auditIds: readonly string[];
  /** UTC microseconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly applicationCredentialId?: string;
}

const VERSION = 1;
const KEY_ID = 8;
const NONCE = 12;
const TAG = 16;
const HEAD = 1 + KEY_ID + NONCE;

export const newKeyId = (): string => randomBytes(KEY_ID).toString('hex');
export const newKeySecret = (): string => randomBytes(32).toString('base64url');

export function seal(payload: TokenPayload, key: TokenKey): string {
  const nonce = randomBytes(NONCE);
  const head = Buffer.concat([Buffer.of(VERSION), Buffer.from(key.id, 'hex'), nonce]);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key.secret, 'base64url'), nonce);
  cipher.setAAD(head);
  const body = Buffer.concat([cipher.update(JSON.stringify(payload)), cipher.final()]);
  return Buffer.concat([head, body, cipher.getAuthTag()]).toString('base64url');
}

/** Undefined for anything that none of the keys has sealed. */
export function unseal(token: string, keyOf: (id: string) => TokenKey | undefined): TokenPayload | undefined {
  if (token.length > 4096 || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length < HEAD + TAG || bytes[0] !== VERSION) return undefined;
  // The last letter has bits that decode to nothing: a token has one spelling and no other.
  if (bytes.toString('base64url') !== token) return undefined;
  const key = keyOf(bytes.toString('hex', 1, 1 + KEY_ID));
  if (key === undefined) return undefined;
  const decipher = createDecipheriv(
    'aes-256-gcm',
    Buffer.from(key.secret, 'base64url'),
    bytes.subarray(1 + KEY_ID, HEAD),
  );
  decipher.setAAD(bytes.subarray(0, HEAD));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(HEAD, bytes.length - TAG)), decipher.final()]);
    return JSON.parse(text.toString()) as TokenPayload;
  } catch {
    return undefined;
  }
}
