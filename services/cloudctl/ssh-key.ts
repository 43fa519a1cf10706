// An Ed25519 key pair in OpenSSH's own formats: the public key as one line (RFC 4253 section 6.6, RFC 8709), the private
// key as `openssh-key-v1` without a passphrase (OpenSSH, PROTOCOL.key).

import { generateKeyPairSync, randomBytes } from 'node:crypto';

const TYPE = 'ssh-ed25519';
const BLOCK = 8;

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/** RFC 4251 section 5: a string is its length and its bytes. */
const field = (bytes: Buffer | string): Buffer => {
  const data = Buffer.from(bytes as string);
  return Buffer.concat([u32(data.length), data]);
};

export function openSshPrivateKey(publicKey: Buffer, seed: Buffer, comment: string, check: Buffer): string {
  const blob = Buffer.concat([field(TYPE), field(publicKey)]);
  const body = Buffer.concat([check, check, blob, field(Buffer.concat([seed, publicKey])), field(comment)]);
  const padding = Buffer.from(Array.from({ length: (BLOCK - (body.length % BLOCK)) % BLOCK }, (_, i) => i + 1));
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    u32(1),
    field(blob),
    field(Buffer.concat([body, padding])),
  ]);
  const lines = file.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

export async function makeKeypair(comment: string): Promise<{ publicKey: string; privateKey: string }> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const point = Buffer.from(x, 'base64url');
  const blob = Buffer.concat([field(TYPE), field(point)]);
  return {
    publicKey: `${TYPE} ${blob.toString('base64')} ${comment}`,
    privateKey: openSshPrivateKey(point, Buffer.from(d, 'base64url'), comment, randomBytes(4)),
  };
}
