// Public face of the pages of consoles.
export { consoleArea } from './area.ts';
