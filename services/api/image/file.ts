// The bytes of an image: upload, download (whole or one range), and staging for import.

import { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '#disk';
import type { Image } from '#model';
import type { Reply, RequestContext } from '../http/context.ts';
import { GLANCE } from '../http/dialects.ts';
import { HttpFault } from '../http/faults.ts';
import { mediaTypeOf } from '../http/request.ts';
import { type Route, route } from '../http/route.ts';
import { ownImage, visibleImage } from './access.ts';
import {
  becomeActive,
  becomeStaged,
  beginTransfer,
  storeContent,
  type TransferComponents,
  whileMarked,
} from './transfer.ts';

type Context = RequestContext<unknown, unknown>;

const OCTETS = 'application/octet-stream';

export interface FileComponents {
  readonly blobs: BlobStore;
  readonly maxBytes: number;
}

export const transferOf = (ctx: Context, { blobs, maxBytes }: FileComponents): TransferComponents => ({
  records: ctx.records,
  clock: ctx.clock,
  log: ctx.log,
  blobs,
  maxBytes,
});

/** The bytes of the request. A refusal in the middle leaves the connection open for the answer. */
function bytesOf(ctx: Context): AsyncIterable<Uint8Array> {
  return ctx.request.iterator({ destroyOnReturn: false });
}

/** What the client announced; undefined when it streams. */
function announcedBytes(ctx: Context, maxBytes: number): number | undefined {
  const given = mediaTypeOf(ctx.request);
  if (given !== OCTETS) {
    const { status, message } = GLANCE.unsupportedMediaType(given ?? 'none', [OCTETS]);
    throw new HttpFault(status, message);
  }
  const header = ctx.header('content-length');
  if (header === undefined) return undefined;
  const bytes = Number(header);
  if (bytes > maxBytes) throw new HttpFault(413, `Denying attempt to upload image larger than ${maxBytes} bytes.`);
  return bytes;
}

async function upload(ctx: Context, components: FileComponents): Promise<Reply> {
  const transfer = transferOf(ctx, components);
  const expectedBytes = announcedBytes(ctx, components.maxBytes);
  const image = await beginTransfer(transfer, (tx) => ownImage(ctx, tx, 'upload_image'), 'saving');
  await whileMarked(transfer, image, 'queued', async (signal) => {
    const content = await storeContent(transfer, image, bytesOf(ctx), { expectedBytes, signal });
    await becomeActive(transfer, image, content);
  });
  return { status: 204 };
}

async function stage(ctx: Context, components: FileComponents): Promise<Reply> {
  const transfer = transferOf(ctx, components);
  const expectedBytes = announcedBytes(ctx, components.maxBytes);
  const image = await beginTransfer(transfer, (tx) => ownImage(ctx, tx, 'upload_image'), 'uploading');
  await whileMarked(transfer, image, 'queued', async (signal) => {
    const content = await storeContent(transfer, image, bytesOf(ctx), { expectedBytes, signal });
    await becomeStaged(transfer, image, content);
  });
  return { status: 204 };
}

async function download(ctx: Context, components: FileComponents): Promise<Reply> {
  const image = await visibleImage(ctx);
  if (image.status === 'deactivated' && !ctx.isAdmin) {
    throw new HttpFault(403, 'The requested image has been deactivated. Image data download is forbidden.');
  }
  if (image.content === null) return { status: 204 };
  return send(image.content, ctx.header('range'), components.blobs);
}

async function send(
  { contentId, size, checksum }: NonNullable<Image['content']>,
  rangeHeader: string | undefined,
  blobs: BlobStore,
): Promise<Reply> {
  const range = rangeHeader === undefined ? undefined : parseRange(rangeHeader, size);
  const content = await blobs.read(contentId, range);
  const stream = content instanceof Readable ? content : Readable.from(content);
  const common = { 'Content-Type': OCTETS, 'Accept-Ranges': 'bytes', ETag: `"${checksum}"` };
  if (range === undefined) {
    const md5 = { 'Content-MD5': checksum };
    return { status: 200, stream, headers: { ...common, ...md5, 'Content-Length': String(size) } };
  }
  const length = String(range.end - range.start + 1);
  const part = { 'Content-Length': length, 'Content-Range': `bytes ${range.start}-${range.end}/${size}` };
  return { status: 206, stream, headers: { ...common, ...part } };
}

const RANGE = /^bytes=(\d*)-(\d*)$/;

/** One range of RFC 9110, section 14.1.2; a form that is not understood is ignored, as it says. */
export function parseRange(header: string, size: number): ByteRange | undefined {
  const match = RANGE.exec(header.trim());
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const isSuffix = match[1] === '';
  const start = isSuffix ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = isSuffix || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (start >= size || start > end) {
    throw new HttpFault(416, `The range ${header} lies outside the image of ${size} bytes.`, {
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
  return { start, end };
}

export const fileRoutes = (components: FileComponents): readonly Route[] => [
  route({
    method: 'PUT',
    path: '/images/:image_id/file',
    rule: 'upload_image',
    body: 'stream',
    contentTypes: [OCTETS],
    handler: (ctx) => upload(ctx, components),
  }),
  route({
    method: 'GET',
    path: '/images/:image_id/file',
    rule: 'download_image',
    handler: (ctx) => download(ctx, components),
  }),
  route({
    method: 'PUT',
    path: '/images/:image_id/stage',
    rule: 'upload_image',
    body: 'stream',
    contentTypes: [OCTETS],
    handler: (ctx) => stage(ctx, components),
  }),
];
