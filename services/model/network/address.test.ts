import { expect, test } from 'vitest';
import { canonicalIp, canonicalMac, cidrContains, formatCidr, parseCidr, parseIp } from './address.ts';

test('IPv4 text has four decimal numbers up to 255 without leading zeros', () => {
  expect(canonicalIp('10.0.0.255')).toBe('10.0.0.255');
  for (const text of ['10.0.0.256', '10.0.0', '10.0.0.0.0', '010.0.0.1', '', 'a.b.c.d']) {
    expect(canonicalIp(text), text).toBeUndefined();
  }
});

test('IPv6 text is written as RFC 5952 says', () => {
  expect(canonicalIp('2001:DB8:0:0:1:0:0:1')).toBe('2001:db8::1:0:0:1');
  expect(canonicalIp('0:0:0:0:0:0:0:0')).toBe('::');
  expect(canonicalIp('fe80::1')).toBe('fe80::1');
  expect(canonicalIp('2001:db8:0:1:1:1:1:1')).toBe('2001:db8:0:1:1:1:1:1');
  expect(canonicalIp('::ffff:10.0.0.1')).toBe('::ffff:a00:1');
  for (const text of ['1::2::3', '12345::', ':1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '::g']) {
    expect(canonicalIp(text), text).toBeUndefined();
  }
});

test('a CIDR has its host bits cut and contains its addresses alone', () => {
  const cidr = parseCidr('10.0.0.77/26');
  expect(cidr && formatCidr(cidr)).toBe('10.0.0.64/26');
  const inside = (text: string) => {
    const address = parseIp(text);
    return cidr && address && cidrContains(cidr, address);
  };
  expect(inside('10.0.0.127')).toBe(true);
  expect(inside('10.0.0.128')).toBe(false);
  expect(inside('::1')).toBe(false);
  expect(parseCidr('10.0.0.0/33')).toBeUndefined();
  expect(parseCidr('10.0.0.0/')).toBeUndefined();
});

test('a MAC address is unicast, lower case, with colons', () => {
  expect(canonicalMac('FA-16-3E-0A-0B-0C')).toBe('fa:16:3e:0a:0b:0c');
  expect(canonicalMac('ff:ff:ff:ff:ff:ff')).toBeUndefined();
  expect(canonicalMac('00:00:00:00:00:00')).toBeUndefined();
});
