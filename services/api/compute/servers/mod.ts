// Servers and all that hangs on them: the routes, rules and websockets that the compute area mounts.

import type { Route, SocketRoute } from '../../http/route.ts';
import { ACTION_ROUTES } from './actions.ts';
import { AgentRpc } from './agent-rpc.ts';
import { ATTACHMENT_ROUTES } from './attachments.ts';
import { type ConsoleSocketComponents, consoleSockets } from './console-socket.ts';
import { consoleRoutes } from './consoles.ts';
import { crudRoutes } from './crud.ts';
import { diagnosticsRoutes } from './diagnostics.ts';
import { EXPLANATION_ROUTES } from './explanation.ts';
import { inspectionRoutes } from './inspection.ts';
import { INSTANCE_ACTION_ROUTES } from './instance-actions.ts';
import { METADATA_ROUTES } from './metadata.ts';
import { InstanceNumbers } from './numbers.ts';
import type { ServerComponents } from './references.ts';
import { TAG_ROUTES } from './tags.ts';

export { SERVER_RULES } from './rules.ts';

export interface Servers {
  readonly routes: readonly Route[];
  readonly sockets: readonly SocketRoute[];
  /** Closes the connections to node agents. */
  close(): void;
}

export function servers(init: Omit<ConsoleSocketComponents, 'agents'>): Servers {
  const agents = new AgentRpc();
  const components: ServerComponents = { numbers: new InstanceNumbers(), agents };
  return {
    routes: [
      ...crudRoutes(components),
      ...ACTION_ROUTES,
      ...consoleRoutes(components),
      ...diagnosticsRoutes(components),
      ...inspectionRoutes(components),
      ...METADATA_ROUTES,
      ...TAG_ROUTES,
      ...ATTACHMENT_ROUTES,
      ...INSTANCE_ACTION_ROUTES,
      ...EXPLANATION_ROUTES,
    ],
    sockets: consoleSockets({ ...init, agents }),
    close: () => agents.close(),
  };
}
