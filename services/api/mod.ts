// Public face of api.
export { SERVER_GROUP_ROUTES, SERVER_GROUP_RULES } from './compute/server-groups/mod.ts';
export { SERVER_RULES, type Servers, servers } from './compute/servers/mod.ts';
export * from './http/mod.ts';
export * from './identity/mod.ts';
export * from './image/mod.ts';
export * from './policy/mod.ts';
