// The image API (Glance v2.15) as one area.

import type { BlobStore } from '#disk';
import { GLANCE } from '../http/dialects.ts';
import type { Area } from '../http/route.ts';
import { fileRoutes } from './file.ts';
import { IMAGE_ROUTES } from './images.ts';
import { importRoutes } from './import.ts';
import { MEMBER_ROUTES } from './members.ts';
import { IMAGE_RULES } from './rules.ts';
import { SCHEMA_ROUTES } from './schemas.ts';
import { VERSION_DOCUMENTS } from './versions.ts';

export interface ImageAreaOptions {
  readonly blobs: BlobStore;
  /** Bytes that an image may have; the default is a tebibyte, as Glance's image_size_cap. */
  readonly maxBytes?: number;
  /** Lets web-download fetch from this host itself. */
  readonly allowLocalDownloads?: boolean;
}

const TEBIBYTE = 2 ** 40;

export function imageArea(options: ImageAreaOptions): Area {
  const components = { ...options, maxBytes: options.maxBytes ?? TEBIBYTE };
  return {
    name: 'image',
    dialect: GLANCE,
    prefix: '/image',
    root: '/v2',
    routes: [
      ...IMAGE_ROUTES,
      ...fileRoutes(components),
      ...importRoutes(components),
      ...MEMBER_ROUTES,
      ...SCHEMA_ROUTES,
    ],
    documents: VERSION_DOCUMENTS,
    rules: IMAGE_RULES,
    catalog: [{ type: 'image', name: 'glance', path: '/image' }],
  };
}
