// Neutron's version documents.

import type { RequestContext } from '../http/context.ts';
import { PUBLIC, type Route, route } from '../http/route.ts';

const version = (context: RequestContext) => ({
  id: 'v2.0',
  status: 'CURRENT',
  links: [{ rel: 'self', href: context.url('/network/v2.0/') }],
});

/** Collections that the version's own document names. */
const COLLECTIONS = [
  'network',
  'subnet',
  'port',
  'subnetpool',
  'quota',
  'security-group',
  'router',
  'agent',
  'extension',
];

export const NETWORK_DOCUMENTS: readonly Route[] = [
  route({
    method: 'GET',
    path: '',
    rule: PUBLIC,
    handler: async (context) => ({ status: 200, body: { versions: [version(context)] } }),
  }),
];

/** As Neutron has it, the root of a version wants a token. */
export const VERSION_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/',
    rule: 'get_version',
    handler: async (context) => ({
      status: 200,
      body: {
        resources: COLLECTIONS.map((name) => ({
          name,
          collection: `${name}s`,
          links: [{ rel: 'self', href: context.url(`/network/v2.0/${name}s`) }],
        })),
      },
    }),
  }),
];
