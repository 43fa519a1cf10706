import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { makeKeypair, openSshPrivateKey } from './ssh-key.ts';

/** RFC 4251 strings of a buffer, from an offset on. */
function strings(data: Buffer, from: number, count: number): { parts: Buffer[]; next: number } {
  const parts: Buffer[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    const length = data.readUInt32BE(at);
    parts.push(data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { parts, next: at };
}

it('the private key file holds the same key as the public line', async () => {
  const { publicKey, privateKey } = await makeKeypair('web');
  const [type, blob = '', comment] = publicKey.split(' ');
  expect([type, comment]).toEqual(['ssh-ed25519', 'web']);
  const point = strings(Buffer.from(blob, 'base64'), 0, 2).parts[1] as Buffer;

  const data = Buffer.from(privateKey.replaceAll(/-----[^-]+-----|\n/g, ''), 'base64');
  expect(data.subarray(0, 15).toString('latin1')).toBe('openssh-key-v1\0');
  const head = strings(data, 15, 3);
  expect(head.parts.map(String)).toEqual(['none', 'none', '']);
  expect(data.readUInt32BE(head.next)).toBe(1);
  const [outer, inner] = strings(data, head.next + 4, 2).parts as [Buffer, Buffer];
  expect(outer.toString('base64')).toBe(blob);
  expect(inner.length % 8).toBe(0);
  expect(inner.readUInt32BE(0)).toBe(inner.readUInt32BE(4));
  const { parts } = strings(inner, 8, 4);
  const secret = parts[2] as Buffer;
  expect(secret.subarray(32)).toEqual(point);
  expect(parts[3]?.toString()).toBe('web');

  // The seed signs what the public key verifies.
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') };
  const key = createPrivateKey({ key: { ...jwk, d: secret.subarray(0, 32).toString('base64url') }, format: 'jwk' });
  const message = Buffer.from('hello');
  expect(verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), sign(null, message, key))).toBe(true);
});

it('the file is made of lines of 70 characters', () => {
  const text = openSshPrivateKey(Buffer.alloc(32, 1), Buffer.alloc(32, 2), 'c', Buffer.alloc(4));
  const lines = text.trimEnd().split('\n');
  expect(lines.slice(1, -2).every((line) => line.length === 70)).toBe(true);
});
