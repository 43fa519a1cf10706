// What the attributes of an image may be, as clients send them: read for create and patch alike, with Glance's refusals.
// Pure.

import { z } from 'zod';
import { CONTAINER_FORMATS, DISK_FORMATS, type Image } from '#model';
import { GLANCE } from '../http/dialects.ts';
import { HttpFault } from '../http/faults.ts';

const name = z.string().max(255);
const count = z.int().min(0).max(2_147_483_647);

/** The schema of each attribute that clients may set. */
const ATTRIBUTES = {
  name: name.nullable(),
  owner: name.nullable(),
  visibility: z.enum(['community', 'public', 'private', 'shared']),
  protected: z.boolean(),
  os_hidden: z.boolean(),
  disk_format: z.enum(DISK_FORMATS).nullable(),
  container_format: z.enum(CONTAINER_FORMATS).nullable(),
  min_disk: count,
  min_ram: count,
  tags: z.array(name).max(128),
} as const;

type AttributeName = keyof typeof ATTRIBUTES;

/** Set by the service alone. */
const READ_ONLY: ReadonlySet<string> = new Set([
  'checksum',
  'created_at',
  'direct_url',
  'file',
  'message',
  'os_hash_algo',
  'os_hash_value',
  'schema',
  'self',
  'size',
  'status',
  'stores',
  'updated_at',
  'virtual_size',
]);
const RESERVED: ReadonlySet<string> = new Set(['deleted', 'deleted_at', 'location', 'locations']);

const MAX_PROPERTIES = 128;
const PROPERTY_NAME = /^\S[^\n]{0,254}$/;
const property = z.string().max(65_535);
const UUID = /^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/;
const imageId = z.string().regex(UUID);

export const isAttribute = (key: string): key is AttributeName => Object.hasOwn(ATTRIBUTES, key);

function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const { status, message } = GLANCE.invalid(parsed.error, input, 'body');
  throw new HttpFault(status, message);
}

export function refuseReadOnly(key: string): void {
  if (READ_ONLY.has(key)) throw new HttpFault(403, `Attribute '${key}' is read-only.`);
  if (RESERVED.has(key)) throw new HttpFault(403, `Attribute '${key}' is reserved.`);
}

/** The image with one attribute set as the client said. */
export function withAttribute(image: Image, key: string, value: unknown): Image {
  refuseReadOnly(key);
  if (!isAttribute(key)) return withProperty(image, key, value);
  const checked = parse(z.object({ [key]: ATTRIBUTES[key] }), { [key]: value })[key];
  switch (key) {
    case 'name':
      return { ...image, name: checked as Image['name'] };
    case 'owner':
      return { ...image, owner: checked as Image['owner'] };
    case 'visibility':
      return { ...image, visibility: checked as Image['visibility'] };
    case 'protected':
      return { ...image, protected: checked as boolean };
    case 'os_hidden':
      return { ...image, hidden: checked as boolean };
    case 'disk_format':
      return { ...image, diskFormat: checked as Image['diskFormat'] };
    case 'container_format':
      return { ...image, containerFormat: checked as Image['containerFormat'] };
    case 'min_disk':
      return { ...image, minDiskGib: checked as number };
    case 'min_ram':
      return { ...image, minRamMib: checked as number };
    case 'tags':
      return { ...image, tags: [...new Set(checked as string[])] };
  }
}

function withProperty(image: Image, key: string, value: unknown): Image {
  if (!PROPERTY_NAME.test(key)) throw new HttpFault(400, `The property name "${key}" is not valid.`);
  const isUnset = value === null && (key === 'kernel_id' || key === 'ramdisk_id');
  if (isUnset) return withoutProperty(image, key);
  const properties = { ...image.properties, [key]: parse(z.object({ [key]: property }), { [key]: value })[key] ?? '' };
  if (Object.keys(properties).length > MAX_PROPERTIES) {
    const message = `The limit has been exceeded on the number of allowed image properties. Maximum: ${MAX_PROPERTIES}`;
    throw new HttpFault(413, message);
  }
  return { ...image, properties };
}

export function withoutProperty(image: Image, key: string): Image {
  const { [key]: _, ...properties } = image.properties;
  return { ...image, properties };
}

/** The id that a client chose for its image; undefined when it chose none. */
export function chosenId(body: Readonly<Record<string, unknown>>): string | undefined {
  if (body.id === undefined) return undefined;
  return parse(z.object({ id: imageId }), { id: body.id }).id.toLowerCase();
}

const OWN_CONTAINER: readonly string[] = ['aki', 'ari', 'ami'];

/** Amazon's formats go in containers of their own name. */
export function checkFormats(image: Image): void {
  const { diskFormat, containerFormat } = image;
  if (diskFormat === null || containerFormat === null) return;
  const isMixed =
    (OWN_CONTAINER.includes(diskFormat) || OWN_CONTAINER.includes(containerFormat)) && diskFormat !== containerFormat;
  if (!isMixed) return;
  throw new HttpFault(
    400,
    "Invalid mix of disk and container formats. When setting a disk or container format to one of 'aki', 'ari', or " +
      "'ami', the container and disk formats must match.",
  );
}
