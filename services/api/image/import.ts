// Import: what was staged becomes the image's content (glance-direct), or the cloud fetches it (web-download). The answer
// comes at once, the work goes on; its end is the image's status, and a refusal its `message`.

import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { CumuletError, messageOf } from '#base';
import type { Image } from '#model';
import type { Reply, RequestContext } from '../http/context.ts';
import { HttpFault } from '../http/faults.ts';
import { type Route, route } from '../http/route.ts';
import { ownImage } from './access.ts';
import { type FileComponents, transferOf } from './file.ts';
import { IMPORT_METHODS } from './images.ts';
import {
  becomeActive,
  beginTransfer,
  MarkLost,
  storeContent,
  type TransferComponents,
  whileMarked,
} from './transfer.ts';

const importBody = z.object({
  method: z.object({ name: z.string(), uri: z.string().max(2048).optional() }),
});
type ImportContext = RequestContext<z.output<typeof importBody>, unknown>;

const ACCEPTED: Reply = { status: 202 };

export interface ImportComponents extends FileComponents {
  /** Fetches from this host's own addresses too: for tests and mirrors on the same machine. */
  readonly allowLocalDownloads?: boolean;
}

async function start(ctx: ImportContext, components: ImportComponents): Promise<Reply> {
  const { name, uri } = ctx.body.method;
  const transfer = transferOf(ctx, components);
  if (name === 'glance-direct') {
    const image = await beginImport(ctx, transfer, 'uploading');
    background(transfer, image, 'uploading', async () => {
      if (image.staged) await becomeActive(transfer, image, image.staged);
    });
    return ACCEPTED;
  }
  if (name === 'web-download') {
    const source = await checkSource(uri, components.allowLocalDownloads ?? false);
    const image = await beginImport(ctx, transfer, 'queued');
    background(transfer, image, 'queued', async (signal) => {
      const content = await storeContent(transfer, image, await fetchBody(source, components, signal), { signal });
      await becomeActive(transfer, image, content);
    });
    return ACCEPTED;
  }
  throw new HttpFault(400, `Unknown import method name '${name}'. Known: ${IMPORT_METHODS.join(', ')}.`);
}

function beginImport(ctx: ImportContext, transfer: TransferComponents, from: 'uploading' | 'queued'): Promise<Image> {
  const find = (tx: Parameters<typeof ownImage>[1]): Image => {
    const image = ownImage(ctx, tx, 'upload_image');
    if (image.status !== from || (from === 'uploading' && image.staged === null)) {
      throw new HttpFault(409, `Image needs to be in the status '${from}' for this import, and is '${image.status}'`);
    }
    return image;
  };
  return beginTransfer(transfer, find, 'importing', [from]);
}

function background(
  transfer: TransferComponents,
  image: Image,
  before: Image['status'],
  work: (signal: AbortSignal) => Promise<void>,
): void {
  whileMarked(transfer, image, before, work).catch((error: unknown) => {
    if (!(error instanceof MarkLost)) transfer.log.warn({ image: image.id }, `an import failed: ${messageOf(error)}`);
  });
}

/** Addresses that lead to this host or its neighbours' innards: a user could read what only the host may. */
const LOCAL = new BlockList();
LOCAL.addSubnet('0.0.0.0', 8);
LOCAL.addSubnet('127.0.0.0', 8);
LOCAL.addSubnet('169.254.0.0', 16);
LOCAL.addSubnet('224.0.0.0', 3);
LOCAL.addAddress('::', 'ipv6');
LOCAL.addAddress('::1', 'ipv6');
LOCAL.addSubnet('fe80::', 10, 'ipv6');
LOCAL.addSubnet('ff00::', 8, 'ipv6');

export const isLocalAddress = (address: string): boolean => LOCAL.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

async function checkSource(uri: string | undefined, allowLocal: boolean): Promise<URL> {
  if (uri === undefined) throw new HttpFault(400, 'Invalid import request: web-download needs a uri.');
  const source = URL.canParse(uri) ? new URL(uri) : undefined;
  if (source === undefined || !['http:', 'https:'].includes(source.protocol) || source.username !== '') {
    throw new HttpFault(400, `URI for web-download does not pass filtering: ${uri}`);
  }
  if (allowLocal) return source;
  const host = source.hostname.replace(/^\[|\]$/g, '');
  const addresses = await lookup(host, { all: true }).catch(() => {
    throw new HttpFault(400, `The host of ${uri} cannot be found.`);
  });
  if (addresses.some(({ address }) => isLocalAddress(address))) {
    throw new HttpFault(400, `URI for web-download does not pass filtering: ${uri} leads to this host or its link.`);
  }
  return source;
}

const MAX_REDIRECTS = 5;

/** Follows redirects itself, so that each is checked as the first address was. */
async function fetchBody(
  source: URL,
  { allowLocalDownloads }: ImportComponents,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  let at = source;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await fetch(at, { signal, redirect: 'manual' });
    const location = answer.headers.get('location');
    if (answer.status >= 300 && answer.status < 400 && location !== null) {
      await answer.body?.cancel();
      at = await checkSource(new URL(location, at).href, allowLocalDownloads ?? false);
      continue;
    }
    if (!answer.ok || answer.body === null)
      throw new CumuletError('unavailable', `${at.href} answered ${answer.status}.`);
    return answer.body as unknown as AsyncIterable<Uint8Array>;
  }
  throw new CumuletError('unavailable', `${source.href} redirects more than ${MAX_REDIRECTS} times.`);
}

export const importRoutes = (components: ImportComponents): readonly Route[] => [
  route({
    method: 'POST',
    path: '/images/:image_id/import',
    rule: 'upload_image',
    body: importBody,
    handler: (ctx) => start(ctx, components),
  }),
  route({
    method: 'GET',
    path: '/info/import',
    rule: 'get_images',
    handler: async () => ({
      status: 200,
      body: {
        'import-methods': { description: 'Import methods available.', type: 'array', value: IMPORT_METHODS },
      },
    }),
  }),
  route({
    method: 'GET',
    path: '/info/stores',
    rule: 'get_images',
    handler: async () => ({
      status: 200,
      body: { stores: [{ id: 'shared', description: 'the shared image store', default: 'true' }] },
    }),
  }),
];
