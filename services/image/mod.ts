// Public face of image: the image store over a shared folder, what keeps it clean, and the images of a new cloud.
export { BlobCollector, type CollectorOptions, collectBlobs } from './collector.ts';
export { FolderBlobStore } from './folder-blob-store.ts';
export { type SeedComponents, seedImages } from './seed.ts';
export { TransferWatch, watchTransfers } from './transfers.ts';
