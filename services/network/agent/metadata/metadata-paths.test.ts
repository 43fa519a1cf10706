import { expect, test } from 'vitest';
import { metadataReply } from './metadata-paths.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const EC2 = {
  'instance-id': 'i-00000001',
  placement: { 'availability-zone': 'nova' },
  'public-keys': { '0': { _name: '0=me', 'openssh-key': 'ssh-ed25519 AAAA me' } },
};
const TREE = new Map([
  ['openstack/2018-08-27/meta_data.json', bytes('{}')],
  ['openstack/latest/meta_data.json', bytes('{"uuid":"u"}')],
  ['openstack/latest/user_data', bytes('#!/bin/sh')],
  ['openstack/content/0000', bytes('file')],
  ['ec2/2009-04-04/meta-data.json', bytes(JSON.stringify(EC2))],
  ['ec2/latest/meta-data.json', bytes(JSON.stringify(EC2))],
  ['ec2/latest/user-data', bytes('#!/bin/sh')],
]);

const shown = (path: string): string => {
  const { status, type, body } = metadataReply(TREE, path);
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  return status === 200 ? `${type.split(';')[0]} ${text}` : String(status);
};

test.each([
  ['/', 'text/plain 2009-04-04\nlatest\nopenstack'],
  ['/openstack', 'text/plain 2018-08-27/\nlatest/\ncontent/'],
  ['/openstack/latest/', 'text/plain meta_data.json\nuser_data'],
  ['/openstack/latest/meta_data.json', 'application/json {"uuid":"u"}'],
  ['/openstack/latest/user_data', 'application/octet-stream #!/bin/sh'],
  ['/openstack/content/0000', 'text/plain file'],
  ['/openstack/1999-01-01/meta_data.json', '404'],
  ['/openstack/latest/password', '404'],
  ['/latest', 'text/plain meta-data/\nuser-data'],
  ['/2009-04-04/', 'text/plain meta-data/'],
  ['/2009-04-04/user-data', '404'],
  ['/latest/user-data', 'application/octet-stream #!/bin/sh'],
  ['/latest/meta-data/', 'text/plain instance-id\nplacement/\npublic-keys/'],
  ['/latest/meta-data/instance-id', 'text/plain i-00000001'],
  ['//latest/meta-data/placement/availability-zone', 'text/plain nova'],
  ['/latest/meta-data/public-keys/', 'text/plain 0=me'],
  ['/latest/meta-data/public-keys/0/', 'text/plain openssh-key'],
  ['/latest/meta-data/public-keys/0/openssh-key', 'text/plain ssh-ed25519 AAAA me'],
  ['/latest/meta-data/placement/constructor', '404'],
  ['/latest/meta-data/instance-id/length', '404'],
  ['/latest/dynamic', '404'],
  ['/../etc/passwd', '404'],
])('%s', (path, expected) => {
  expect(shown(path)).toBe(expected);
});
