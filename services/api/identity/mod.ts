// Public face of identity.
export { identityArea } from './area.ts';
export { type SeededIdentity, seedIdentity } from './seed.ts';
export { TokenService } from './tokens.ts';
