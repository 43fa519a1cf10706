// The JSON schemas that Glance serves: older clients build their model from them.

import { CONTAINER_FORMATS, DISK_FORMATS } from '#model';
import { type Route, route } from '../http/route.ts';

const UUID = '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$';
const readOnly = { readOnly: true };
const text = { type: 'string', maxLength: 255 };
const nullableText = { type: ['null', 'string'], maxLength: 255 };

const IMAGE_PROPERTIES = {
  id: { type: 'string', description: 'An identifier for the image', pattern: UUID },
  name: { ...nullableText, description: 'Descriptive name for the image' },
  status: {
    type: 'string',
    ...readOnly,
    description: 'Status of the image',
    enum: [
      'queued',
      'saving',
      'active',
      'killed',
      'deleted',
      'uploading',
      'importing',
      'pending_delete',
      'deactivated',
    ],
  },
  visibility: {
    type: 'string',
    description: 'Scope of image accessibility',
    enum: ['community', 'public', 'private', 'shared'],
  },
  protected: { type: 'boolean', description: 'If true, image will not be deletable.' },
  os_hidden: { type: 'boolean', description: 'If true, image will not appear in default image list response.' },
  checksum: { type: ['null', 'string'], ...readOnly, description: 'md5 hash of image contents.', maxLength: 32 },
  os_hash_algo: {
    type: ['null', 'string'],
    ...readOnly,
    description: 'Algorithm to calculate os_hash_value',
    maxLength: 64,
  },
  os_hash_value: {
    type: ['null', 'string'],
    ...readOnly,
    description: 'Hexdigest of the image contents',
    maxLength: 128,
  },
  owner: { ...nullableText, description: 'Owner of the image' },
  size: { type: ['null', 'integer'], ...readOnly, description: 'Size of image file in bytes' },
  virtual_size: { type: ['null', 'integer'], ...readOnly, description: 'Virtual size of image in bytes' },
  container_format: {
    type: ['null', 'string'],
    description: 'Format of the container',
    enum: [null, ...CONTAINER_FORMATS],
  },
  disk_format: { type: ['null', 'string'], description: 'Format of the disk', enum: [null, ...DISK_FORMATS] },
  created_at: { type: 'string', ...readOnly, description: 'Date and time of image registration' },
  updated_at: { type: 'string', ...readOnly, description: 'Date and time of the last image modification' },
  tags: { type: 'array', description: 'List of strings related to the image', items: text },
  min_ram: { type: 'integer', description: 'Amount of ram (in MB) required to boot image.' },
  min_disk: { type: 'integer', description: 'Amount of disk space (in GB) required to boot image.' },
  self: { type: 'string', ...readOnly, description: 'An image self url' },
  file: { type: 'string', ...readOnly, description: 'An image file url' },
  schema: { type: 'string', ...readOnly, description: 'An image schema url' },
  architecture: { type: 'string', is_base: false, description: 'Operating system architecture' },
  kernel_id: {
    type: ['null', 'string'],
    pattern: UUID,
    is_base: false,
    description: 'ID of the kernel image to boot with',
  },
  ramdisk_id: {
    type: ['null', 'string'],
    pattern: UUID,
    is_base: false,
    description: 'ID of the ramdisk image to boot with',
  },
  instance_uuid: { type: 'string', is_base: false, description: 'The server that this image was made from' },
  os_distro: { type: 'string', is_base: false, description: 'Common name of operating system distribution' },
  os_version: { type: 'string', is_base: false, description: 'Operating system version' },
} as const;

const IMAGE_SCHEMA = {
  name: 'image',
  properties: IMAGE_PROPERTIES,
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
};

const MEMBER_SCHEMA = {
  name: 'member',
  properties: {
    created_at: { type: 'string', description: 'Date and time of image member creation' },
    updated_at: { type: 'string', description: 'Date and time of last modification of image member' },
    image_id: { type: 'string', description: 'An identifier for the image', pattern: UUID },
    member_id: { type: 'string', description: 'An identifier for the image member (tenantId)' },
    status: {
      type: 'string',
      description: 'The status of this image member',
      enum: ['pending', 'accepted', 'rejected'],
    },
    schema: { type: 'string', ...readOnly },
  },
};

const listOf = (name: string, items: object): object => ({
  name,
  properties: {
    [name]: { type: 'array', items },
    first: { type: 'string' },
    next: { type: 'string' },
    schema: { type: 'string' },
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
});

const SCHEMAS: Readonly<Record<string, object>> = {
  image: IMAGE_SCHEMA,
  images: listOf('images', IMAGE_SCHEMA),
  member: MEMBER_SCHEMA,
  members: {
    name: 'members',
    properties: { members: { type: 'array', items: MEMBER_SCHEMA }, schema: { type: 'string' } },
    links: [{ rel: 'describedby', href: '{schema}' }],
  },
};

export const SCHEMA_ROUTES: readonly Route[] = Object.entries(SCHEMAS).map(([name, schema]) =>
  route({
    method: 'GET',
    path: `/schemas/${name}`,
    rule: 'get_images',
    handler: async () => ({ status: 200, body: schema }),
  }),
);
