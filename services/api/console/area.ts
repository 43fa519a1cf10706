// The pages of consoles: what the address of a screen opens, and a terminal for a serial one. Files alone: a page that was
// opened has a ticket in its address, and its websocket (compute/servers/console-socket.ts) asks for it.

import { NOVA } from '../http/dialects.ts';
import type { Area } from '../http/route.ts';
import { PAGE_ROUTES } from './pages.ts';

export const consoleArea = (): Area => ({
  name: 'console',
  dialect: NOVA,
  prefix: '/console',
  root: '',
  routes: PAGE_ROUTES,
  rules: {},
});
