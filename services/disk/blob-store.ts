// The contract of the image store: immutable bytes under their content address. The image service implements it over a
// folder that all hosts share; one over gRPC can take its place. Node agents open blobs as files (blobPath).

import { join } from 'node:path';
import type { ImageInspection } from './inspect.ts';

/** sha256 hex of the content. */
export type ContentId = string;

export interface StoredBlob {
  readonly contentId: ContentId;
  readonly size: number;
  /** Hex digests. */
  readonly md5: string;
  readonly sha512: string;
}

export interface PutOptions {
  /** More than this is refused with 'too_large'. */
  readonly maxBytes?: number;
  /** Anything but this many bytes is refused with 'invalid': the sender was cut off. */
  readonly expectedBytes?: number;
  readonly signal?: AbortSignal;
}

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

export interface BlobStore {
  /** Stores the bytes; when it returns they are on stable storage, whole. Nothing is left of a put that fails. */
  put(content: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredBlob>;
  /** The size; undefined when there is no such blob. */
  size(contentId: ContentId): Promise<number | undefined>;
  /** Throws CumuletError 'not_found' when there is no such blob. */
  read(contentId: ContentId, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>;
  /** What the content is. Throws CumuletError 'invalid' when a header lies. */
  inspect(contentId: ContentId): Promise<ImageInspection>;
}

const CONTENT_ID = /^[0-9a-f]{64}$/;

export const isContentId = (text: string): boolean => CONTENT_ID.test(text);

/** Where a blob lies in the folder that the hosts share. */
export function blobPath(root: string, contentId: ContentId): string {
  if (!isContentId(contentId)) throw new Error(`"${contentId}" is no content address`);
  return join(root, 'blobs', contentId);
}
