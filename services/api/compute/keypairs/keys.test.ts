import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fingerprintOf, newSshPair, sshFingerprint, sshRsaPublicKey } from './keys.ts';

// Made by `ssh-keygen -t ed25519`; the fingerprint is what `ssh-keygen -l -E md5` says of it.
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAwSbQXF8RA72MlycvfVBbN4oqKDqjUgEcor2Fq7SX2t';
const ED25519_MD5 = '80:28:01:0e:54:92:43:09:b5:96:fb:c2:17:6f:df:61';
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUK56bdrgDlkNwb+6zNcqxJfp5sXswCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjEwNTE5NDhaFw0zNjExMTgwNTE5NDha
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQDh25W
YdYCNyIyEt4gG5HFam8n35G11sdpjeagzjyw6J5se84F7yGdRTEnF7RFFiEFOtte
lDap2C3ZBzag8P94o1MwUTAdBgNVHQ4EFgQUfkk0wm+a4m/51VQ6Xx2ErSzOT0Iw
HwYDVR0jBBgwFoAUfkk0wm+a4m/51VQ6Xx2ErSzOT0IwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiBbS75Ua4qdEewWZcCBYoLxbpPMyrFqAFkuMyKO
qeh3pwIhAKmVo+5VbgN240wrsAz+d7JqegeOh7ovBN8hs4wQoe+q
-----END CERTIFICATE-----
`;
const CERTIFICATE_SHA1 = '57:a7:a3:2d:8e:71:52:2f:20:0b:af:09:c1:c0:07:99:2c:3e:96:ca';

describe('a fingerprint', () => {
  it('of an ssh key is the MD5 that ssh-keygen prints', () => {
    expect(sshFingerprint(ED25519)).toBe(ED25519_MD5);
    expect(sshFingerprint(`  ${ED25519} somebody@somewhere with spaces\n`)).toBe(ED25519_MD5);
  });

  it('of a certificate is its SHA-1', () => {
    expect(fingerprintOf('x509', CERTIFICATE)).toBe(CERTIFICATE_SHA1);
  });

  it.each([
    ['nothing', ''],
    ['text', 'not a key'],
    ['an algorithm that is not the one inside', ED25519.replace('ssh-ed25519', 'ssh-rsa')],
    ['a blob that is cut', 'ssh-rsa AAAA'],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----'],
  ])('is refused for %s', (_what, text) => {
    expect(() => sshFingerprint(text)).toThrow('failed to generate fingerprint');
    expect(() => fingerprintOf('x509', text)).toThrow('failed to generate fingerprint');
  });
});

describe('a new pair', () => {
  it('has a public half that belongs to the private one', async () => {
    const pair = await newSshPair();
    expect(pair.privateKey).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
    const derived = sshRsaPublicKey(createPublicKey(pair.privateKey));
    expect(pair.publicKey).toBe(`${derived} Generated-by-Cumulet`);
    expect(sshFingerprint(pair.publicKey)).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
  });
});
