// Public face of gen: message types and codecs made from proto/.
export * from './codec.ts';
export * as computeV1 from './compute-v1.ts';
export * as networkV1 from './network-v1.ts';
