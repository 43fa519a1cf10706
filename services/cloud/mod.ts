// Public face of cloud: startCloud(), the whole cloud as a library, and what its programs are told.
export * from './credentials.ts';
export * from './options.ts';
export * from './start-cloud.ts';
