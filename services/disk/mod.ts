// Public face of disk: block backends over files, image formats and their inspection, overlays, config drives.
export * from './open.ts';
