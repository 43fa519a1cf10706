// Public face of compute's API.
export { computeArea } from './area.ts';
export { seedFlavors } from './flavors/mod.ts';
export { SERVER_GROUP_ROUTES, SERVER_GROUP_RULES } from './server-groups/mod.ts';
export { SERVER_RULES, type Servers, servers } from './servers/mod.ts';
export { COMPUTE_MAX, COMPUTE_MIN } from './versions.ts';
