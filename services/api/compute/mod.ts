// Public face of compute's API.
export { type ComputeParts, computeArea } from './area.ts';
export { seedFlavors } from './flavors/mod.ts';
export { serverReferences } from './references.ts';
export { COMPUTE_MAX, COMPUTE_MIN } from './versions.ts';
