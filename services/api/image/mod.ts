// Public face of the image API.
export { type ImageAreaOptions, imageArea } from './area.ts';
export { checkContent } from './content-check.ts';
