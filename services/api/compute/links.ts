// `links` of compute's resources: self with the version in its path, bookmark without.

import type { RequestContext } from '../http/context.ts';

type Urls = Pick<RequestContext, 'url'>;

export const resourceLinks = (context: Urls, collection: string, id: string) => [
  { rel: 'self', href: context.url(`/compute/v2.1/${collection}/${encodeURIComponent(id)}`) },
  { rel: 'bookmark', href: context.url(`/compute/${collection}/${encodeURIComponent(id)}`) },
];
