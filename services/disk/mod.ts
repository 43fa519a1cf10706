// Public face of disk: block backends over files, image formats and their inspection, overlays, config drives.
export * from './blob-store.ts';
export * from './config-drive.ts';
export * from './inspect.ts';
export * from './iso9660.ts';
export * from './open.ts';
