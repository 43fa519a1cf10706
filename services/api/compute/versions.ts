// Compute's version documents and the range of microversions that all its routes together serve.

import type { RequestContext } from '../http/context.ts';
import { Microversion, type MicroversionRange } from '../http/microversion.ts';
import { PUBLIC, type Route, route } from '../http/route.ts';

export const COMPUTE_MIN = '2.1';
export const COMPUTE_MAX = '2.79';

export const COMPUTE_VERSIONS: MicroversionRange = {
  service: 'compute',
  min: Microversion.parse(COMPUTE_MIN),
  max: Microversion.parse(COMPUTE_MAX),
  legacyHeader: 'X-OpenStack-Nova-API-Version',
};

/** When Nova's v2.0 and v2.1 were last changed, as Nova itself says. */
const UPDATED = { v2: '2011-01-21T11:33:21Z', v21: '2013-07-23T11:33:21Z' };

function current(context: RequestContext, path: string) {
  return {
    id: 'v2.1',
    status: 'CURRENT',
    version: COMPUTE_MAX,
    min_version: COMPUTE_MIN,
    updated: UPDATED.v21,
    links: [{ rel: 'self', href: context.url(path) }],
  };
}

function old(context: RequestContext) {
  return {
    id: 'v2.0',
    status: 'SUPPORTED',
    version: '',
    min_version: '',
    updated: UPDATED.v2,
    links: [{ rel: 'self', href: context.url('/compute/v2/') }],
  };
}

const mediaTypes = (version: string) => [
  { base: 'application/json', type: `application/vnd.openstack.compute+json;version=${version}` },
];

const DESCRIBED_BY = { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' };

export const COMPUTE_DOCUMENTS: readonly Route[] = [
  route({
    method: 'GET',
    path: '',
    rule: PUBLIC,
    handler: async (context) => ({
      status: 200,
      body: { versions: [old(context), current(context, '/compute/v2.1/')] },
    }),
  }),
  route({
    method: 'GET',
    path: '/v2.1',
    rule: PUBLIC,
    async handler(context) {
      const document = current(context, '/compute/v2.1/');
      const links = [...document.links, DESCRIBED_BY];
      return { status: 200, body: { version: { ...document, links, 'media-types': mediaTypes('2.1') } } };
    },
  }),
  route({
    method: 'GET',
    path: '/v2',
    rule: PUBLIC,
    async handler(context) {
      const document = old(context);
      const links = [...document.links, DESCRIBED_BY];
      return { status: 200, body: { version: { ...document, links, 'media-types': mediaTypes('2') } } };
    },
  }),
];

const OTHER_ROOT = /^\/v2(?:\.1)?(?=\/.)(?:\/(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\/))?/;

/** `/v2/...` and `/v2.1/<project>/...` are the same routes as `/v2.1/...`; clients of old catalogs send them. */
export const rewriteComputePath = (path: string): string => path.replace(OTHER_ROOT, '/v2.1');
