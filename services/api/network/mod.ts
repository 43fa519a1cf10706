// Public face of network's API.
export { networkArea } from './area.ts';
