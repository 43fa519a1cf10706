// Public face of placement's API.
export { placementArea } from './area.ts';
