// Public keys and certificates: reading what users send, fingerprints as Nova prints them, making new pairs.

import { createHash, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { CumuletError } from '#base';
import type { KeypairType } from '#model';

const colons = (hex: string): string => hex.match(/../g)!.join(':');

const noFingerprint = (): CumuletError =>
  new CumuletError('invalid', 'Keypair data is invalid: failed to generate fingerprint');

/** RFC 4253 6.6: a public key is a string with its algorithm's name, and what the algorithm needs. */
function firstString(blob: Buffer): string | undefined {
  if (blob.length < 4) return undefined;
  const length = blob.readUInt32BE(0);
  return length > 0 && length <= blob.length - 4 ? blob.toString('latin1', 4, 4 + length) : undefined;
}

const SSH_KEY = /^(?<algorithm>[a-z][a-z0-9@.-]+)[ \t]+(?<blob>[A-Za-z0-9+/]+={0,2})(?:[ \t]|$)/;

/** MD5 over the key's blob (RFC 4716 4). Throws 'invalid' for what is no OpenSSH public key. */
export function sshFingerprint(publicKey: string): string {
  const match = SSH_KEY.exec(publicKey.trim());
  if (match === null) throw noFingerprint();
  const blob = Buffer.from(match.groups!.blob!, 'base64');
  if (firstString(blob) !== match.groups!.algorithm) throw noFingerprint();
  return colons(createHash('md5').update(blob).digest('hex'));
}

/** SHA-1 over the certificate. Throws 'invalid' for what is no certificate in PEM. */
export function x509Fingerprint(certificate: string): string {
  try {
    return new X509Certificate(certificate).fingerprint.toLowerCase();
  } catch {
    throw noFingerprint();
  }
}

export const fingerprintOf = (type: KeypairType, publicKey: string): string =>
  type === 'ssh' ? sshFingerprint(publicKey) : x509Fingerprint(publicKey);

const field = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** RFC 4251 5: a positive mpint has a leading zero when its top bit is set. */
const mpint = (base64url: string): Buffer => {
  const bytes = Buffer.from(base64url, 'base64url');
  return field(bytes[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
};

/** RFC 4253 6.6: `ssh-rsa`, e, n. */
export function sshRsaPublicKey(key: KeyObject): string {
  const { n, e } = key.export({ format: 'jwk' });
  const blob = Buffer.concat([field(Buffer.from('ssh-rsa')), mpint(e!), mpint(n!)]);
  return `ssh-rsa ${blob.toString('base64')}`;
}

const generate = promisify(generateKeyPair);
const RSA_BITS = 2048;

export interface NewPair {
  readonly publicKey: string;
  /** PEM; handed out once. */
  readonly privateKey: string;
}

/** A new RSA pair, as Nova makes them before 2.92. */
export async function newSshPair(): Promise<NewPair> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: RSA_BITS });
  return {
    publicKey: `${sshRsaPublicKey(publicKey)} Generated-by-Cumulet`,
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  };
}
