// What attributes of requests may be, as Neutron converts and checks them. Schemas are made once.
import { z } from 'zod';
import { canonicalIp, canonicalMac, parseCidr } from '#model';

/** Neutron's converter takes these for booleans. */
const BOOLEANS = new Map<unknown, boolean>([
  [true, true],
  [false, false],
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false],
  [1, true],
  [0, false],
]);

export const boolean = z.preprocess((value, context) => {
  const known = BOOLEANS.get(typeof value === 'string' ? value.toLowerCase() : value);
  if (known === undefined)
    context.addIssue({ code: 'custom', message: `'${String(value)}' cannot be converted to boolean` });
  return known ?? false;
}, z.boolean());

export const text = (most = 255) => z.string().max(most);
export const name = text();
export const description = text();
export const projectId = text();
export const uuid = z
  .guid({ error: (issue) => `'${String(issue.input)}' is not a valid UUID` })
  .transform((id) => id.toLowerCase());

const check = (valid: (value: string) => boolean, what: string) =>
  z.string().refine(valid, { error: (issue) => `'${String(issue.input)}' is not a valid ${what}` });

export const ipAddress = check((value) => canonicalIp(value) !== undefined, 'IP address').transform(
  (value) => canonicalIp(value) ?? value,
);
export const cidr = check((value) => value.includes('/') && parseCidr(value) !== undefined, 'IP subnet');
export const cidrOrAddress = check((value) => parseCidr(value) !== undefined, 'IP subnet');
export const macAddress = check((value) => canonicalMac(value) !== undefined, 'MAC address').transform(
  (value) => canonicalMac(value) ?? value,
);

/** A whole number, also written as text. */
export const integer = (least: number, most: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value),
    z.int().min(least).max(most),
  );

export const tags = z.array(z.string().min(1).max(60)).max(50);

export const fixedIp = z.strictObject({ subnet_id: uuid.optional(), ip_address: ipAddress.optional() });
export const hostRoute = z.strictObject({ destination: cidr, nexthop: ipAddress });
export const pool = z.strictObject({ start: ipAddress, end: ipAddress });
export const addressPair = z.strictObject({ ip_address: cidrOrAddress, mac_address: macAddress.optional() });
