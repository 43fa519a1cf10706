// Static files: our pages, and of the packages noVNC (the viewer) and xterm.js (the terminal) what those load. Only files
// that were found when the first one was asked for are served, by their name: no path is ever made from a request.

import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CumuletError } from '#base';
import type { Reply, RequestContext } from '../http/context.ts';
import { PUBLIC, type Route, route } from '../http/route.ts';

const PAGES = fileURLToPath(new URL('./pages', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
};

/** The address of a page holds a ticket: it goes to nobody else, and into no cache. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
    "connect-src 'self' ws: wss:",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

let found: ReadonlyMap<string, string> | undefined;

/** By the path under /console. */
function files(): ReadonlyMap<string, string> {
  if (found !== undefined) return found;
  const { resolve } = createRequire(import.meta.url);
  // Both packages name a file below their own folder as what they export.
  const novnc = join(dirname(resolve('@novnc/novnc')), '..');
  const xterm = join(dirname(resolve('@xterm/xterm')), '..');
  const below = (folder: string, pattern: string, prefix: string): [string, string][] =>
    globSync(pattern, { cwd: folder }).map((name) => [prefix + name, join(folder, name)]);
  found = new Map([
    ...below(PAGES, '*.{html,css,js}', ''),
    ...below(novnc, '{core,vendor}/**/*.js', 'novnc/'),
    ...below(xterm, 'lib/xterm.mjs', 'xterm/'),
    ...below(xterm, 'css/xterm.css', 'xterm/'),
  ]);
  return found;
}

async function page(ctx: RequestContext): Promise<Reply> {
  const name = decodeURIComponent(ctx.path.replace(/^\/console\//, ''));
  const path = files().get(name);
  if (path === undefined) throw new CumuletError('not_found', 'There is no such page.');
  const type = TYPES[extname(path)]!;
  const cache = type.startsWith('text/html') ? 'no-store' : 'public, max-age=3600';
  return {
    status: 200,
    body: await readFile(path),
    headers: { ...HEADERS, 'Content-Type': type, 'Cache-Control': cache },
  };
}

const file = (path: string): Route => route({ method: 'GET', path, rule: PUBLIC, handler: page });

export const PAGE_ROUTES: readonly Route[] = [file('/:page'), file('/novnc/*file'), file('/xterm/*file')];
