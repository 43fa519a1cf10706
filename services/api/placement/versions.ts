// Placement's version document and the microversions that its reads serve.

import { Microversion, type MicroversionRange } from '../http/microversion.ts';
import { PUBLIC, type Route, route } from '../http/route.ts';

export const PLACEMENT_VERSIONS: MicroversionRange = {
  service: 'placement',
  min: Microversion.parse('1.0'),
  max: Microversion.parse('1.39'),
};

export const PLACEMENT_DOCUMENTS: readonly Route[] = [
  route({
    method: 'GET',
    path: '',
    rule: PUBLIC,
    handler: async () => ({
      status: 200,
      body: {
        versions: [
          {
            id: 'v1.0',
            status: 'CURRENT',
            min_version: PLACEMENT_VERSIONS.min.toString(),
            max_version: PLACEMENT_VERSIONS.max.toString(),
            links: [{ rel: 'self', href: '' }],
          },
        ],
      },
    }),
  }),
];
