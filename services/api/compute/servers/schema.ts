// What the bodies of servers may say, by microversion. Strict: an unknown key is refused, as in Nova.

import { z } from 'zod';
import type { SchemaByVersion } from '../../http/route.ts';

const UUID = /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/;
const uuid = z.string().regex(UUID);

/** Printable, 1 to 255 characters, no white space at either end (nova/api/validation/parameter_types.py). */
export const serverName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^(?! )[^\u0000-\u001f\u007f]*(?<! )$/u, {
    message: 'The name must be: printable characters. Can not start or end with whitespace.',
  });

export const metadataMap = z.record(z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/), z.string().max(255));
export const description = z.string().max(255).nullable();
export const tag = z
  .string()
  .min(1)
  .max(60)
  .regex(/^[^,/]*$/);
const tags = z.array(tag).max(50);
const base64 = z.string().regex(/^(?:[A-Za-z0-9+/\s]{4})*(?:[A-Za-z0-9+/\s]{2}==|[A-Za-z0-9+/\s]{3}=)?\s*$/);

/** Booleans as OpenStack's clients spell them. */
export const looseBoolean = z.union([
  z.boolean(),
  z.enum(['True', 'true', 'TRUE', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes']).transform(() => true),
  z.enum(['False', 'false', 'FALSE', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no']).transform(() => false),
]);

export const positiveInteger = z.union([
  z.number().int().min(1),
  z
    .string()
    .regex(/^[0-9]*$/)
    .min(1)
    .transform(Number)
    .refine((value) => value >= 1, { message: 'is less than the minimum of 1' }),
]);

const ipV4 = z.union([z.literal(''), z.ipv4()]);
const ipV6 = z.union([z.literal(''), z.ipv6()]);
const diskConfig = z.enum(['AUTO', 'MANUAL']);
const nicTag = z
  .string()
  .min(1)
  .max(60)
  .regex(/^[^,/]*$/);

const nic = {
  uuid: uuid.optional(),
  port: uuid.nullable().optional(),
  fixed_ip: z.union([z.ipv4(), z.ipv6()]).optional(),
};

const blockDevice = z.strictObject({
  source_type: z.enum(['volume', 'image', 'snapshot', 'blank']),
  uuid: z.string().min(1).max(255).optional(),
  destination_type: z.enum(['local', 'volume']).optional(),
  boot_index: z.union([z.number().int(), z.string().regex(/^-?\d+$/), z.null()]).optional(),
  volume_size: z.union([z.number().int(), z.string()]).optional(),
  delete_on_termination: looseBoolean.optional(),
  device_name: z.string().max(255).nullable().optional(),
  disk_bus: z.string().nullable().optional(),
  device_type: z.string().nullable().optional(),
  guest_format: z.string().nullable().optional(),
  no_device: z.union([z.boolean(), z.string()]).optional(),
  tag: nicTag.optional(),
  volume_type: z.string().max(255).nullable().optional(),
});

const base = {
  name: serverName,
  flavorRef: z.union([z.string().min(1), z.number().int()]),
  imageRef: z.union([z.string(), z.null()]).optional(),
  adminPass: z.string().optional(),
  metadata: metadataMap.optional(),
  'OS-DCF:diskConfig': diskConfig.optional(),
  accessIPv4: ipV4.optional(),
  accessIPv6: ipV6.optional(),
  availability_zone: z.string().min(1).max(255).optional(),
  block_device_mapping: z.array(z.record(z.string(), z.unknown())).optional(),
  block_device_mapping_v2: z.array(blockDevice).optional(),
  config_drive: looseBoolean.nullable().optional(),
  min_count: positiveInteger.optional(),
  max_count: positiveInteger.optional(),
  return_reservation_id: looseBoolean.optional(),
  key_name: z.string().min(1).max(255).nullable().optional(),
  user_data: base64.max(65535).nullable().optional(),
  security_groups: z.array(z.strictObject({ name: z.string().min(1).max(255) })).optional(),
};

const personality = {
  personality: z.array(z.strictObject({ path: z.string(), contents: z.string() })).optional(),
};

const group = z.union([z.string().max(255), z.null()]);
const idOrIds = z.union([z.string(), z.array(z.string()).min(1)]);
const hints = z.looseObject({
  group: group.optional(),
  different_host: idOrIds.optional(),
  same_host: idOrIds.optional(),
  query: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
});

const strictNetworks = z.array(z.strictObject(nic)).optional();
const taggedNics = z.array(z.strictObject({ ...nic, tag: nicTag.optional() }));
const taggedNetworks = taggedNics.optional();
const autoOr = z.union([taggedNics, z.literal('none'), z.literal('auto')]);
const plainAutoOr = z.union([z.array(z.strictObject(nic)), z.literal('none'), z.literal('auto')]);
const certificates = z.array(z.string().min(1).max(255)).min(1).max(50).nullable().optional();
const hostname = z
  .string()
  .min(2)
  .max(63)
  .regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])$/);

const body = <T extends z.core.$ZodLooseShape>(server: T) =>
  z.strictObject({
    server: z.strictObject(server),
    'os:scheduler_hints': hints.optional(),
    'OS-SCH-HNT:scheduler_hints': hints.optional(),
  });

const v1 = { ...base, ...personality, networks: strictNetworks };
const v19 = { ...v1, description: description.optional() };
const v32 = { ...v19, networks: taggedNetworks };
const v37 = { ...v32, networks: plainAutoOr };
const v42 = { ...v37, networks: autoOr };
const v52 = { ...v42, tags: tags.optional() };
const { personality: _none, ...v57 } = v52;
const v63 = { ...v57, trusted_image_certificates: certificates };
const v74 = { ...v63, host: z.string().max(255).optional(), hypervisor_hostname: z.string().max(255).optional() };
const v90 = { ...v74, hostname: hostname.optional() };

export const CREATE: SchemaByVersion = [
  ['2.1', body(v1)],
  ['2.19', body(v19)],
  ['2.32', body(v32)],
  ['2.37', body(v37)],
  ['2.42', body(v42)],
  ['2.52', body(v52)],
  ['2.57', body(v57)],
  ['2.63', body(v63)],
  ['2.74', body(v74)],
  ['2.90', body(v90)],
];

/** The widest form; what a version lacks is undefined. */
export interface CreateBody {
  readonly server: Partial<z.output<z.ZodObject<typeof v90>>> &
    Pick<z.output<z.ZodObject<typeof v90>>, 'name' | 'flavorRef'> & {
      readonly personality?: readonly { readonly path: string; readonly contents: string }[];
    };
  readonly 'os:scheduler_hints'?: z.output<typeof hints>;
  readonly 'OS-SCH-HNT:scheduler_hints'?: z.output<typeof hints>;
}

const change = {
  name: serverName.optional(),
  'OS-DCF:diskConfig': diskConfig.optional(),
  accessIPv4: ipV4.optional(),
  accessIPv6: ipV6.optional(),
};

const changeBody = <T extends z.core.$ZodLooseShape>(shape: T) => z.strictObject({ server: z.strictObject(shape) });

export const UPDATE: SchemaByVersion = [
  ['2.1', changeBody(change)],
  ['2.19', changeBody({ ...change, description: description.optional() })],
  ['2.90', changeBody({ ...change, description: description.optional(), hostname: hostname.optional() })],
];

export interface UpdateBody {
  readonly server: {
    readonly name?: string;
    readonly 'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL';
    readonly accessIPv4?: string;
    readonly accessIPv6?: string;
    readonly description?: string | null;
    readonly hostname?: string;
  };
}

const rebuild = {
  imageRef: uuid,
  name: serverName.optional(),
  adminPass: z.string().optional(),
  metadata: metadataMap.optional(),
  preserve_ephemeral: looseBoolean.optional(),
  'OS-DCF:diskConfig': diskConfig.optional(),
  accessIPv4: ipV4.optional(),
  accessIPv6: ipV6.optional(),
};
const r19 = { ...rebuild, description: description.optional() };
const r54 = { ...r19, key_name: z.string().min(1).max(255).nullable().optional() };
const r57 = { ...r54, user_data: base64.max(65535).nullable().optional() };
const r63 = { ...r57, trusted_image_certificates: certificates };
const r90 = { ...r63, hostname: hostname.optional() };
const rebuildBody = <T extends z.core.$ZodLooseShape>(shape: T) => z.strictObject({ rebuild: z.strictObject(shape) });

export const REBUILD: SchemaByVersion = [
  ['2.1', rebuildBody({ ...rebuild, ...personality })],
  ['2.19', rebuildBody({ ...r19, ...personality })],
  ['2.54', rebuildBody({ ...r54, ...personality })],
  ['2.57', rebuildBody(r57)],
  ['2.63', rebuildBody(r63)],
  ['2.90', rebuildBody(r90)],
];

export interface RebuildBody {
  readonly rebuild: Partial<z.output<z.ZodObject<typeof r90>>> & {
    readonly imageRef: string;
    readonly personality?: readonly { readonly path: string; readonly contents: string }[];
  };
}
