// All areas of the API, as the controller mounts them and as the tests of routes and policy walk them: an area that is not
// in this list is served nowhere.

import type { BlobStore } from '#disk';
import { computeArea } from './compute/area.ts';
import type { Servers } from './compute/servers/mod.ts';
import { consoleArea } from './console/area.ts';
import type { Area } from './http/route.ts';
import { identityArea } from './identity/area.ts';
import type { TokenService } from './identity/tokens.ts';
import { imageArea } from './image/area.ts';
import { networkArea } from './network/area.ts';
import { placementArea } from './placement/area.ts';

export interface AreaParts {
  readonly tokens: TokenService;
  readonly servers: Servers;
  readonly blobs: BlobStore;
}

export const createAreas = ({ tokens, servers, blobs }: AreaParts): readonly Area[] => [
  identityArea(tokens),
  computeArea(servers),
  placementArea(),
  imageArea({ blobs }),
  networkArea(),
  consoleArea(),
];
