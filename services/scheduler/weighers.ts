// Weighers: which of the suitable hosts first. Compared one after the other (the first that tells two hosts apart
// decides), so that the order can be explained in one sentence: keep a group as it asks, spread a project, then fill the
// emptiest. Larger is better.

import { free } from '#model';
import type { HostView, RequestSpec } from './request-spec.ts';

export interface Weigher {
  readonly name: string;
  weigh(view: HostView, spec: RequestSpec): number;
}

const softGroup: Weigher = {
  name: 'server group',
  weigh: ({ groupMembers }, spec) => {
    if (spec.group?.policy === 'soft-affinity') return groupMembers;
    return spec.group?.policy === 'soft-anti-affinity' ? -groupMembers : 0;
  },
};

const projectSpread: Weigher = {
  name: 'fewest servers of the project',
  weigh: ({ provider }, spec) => -(provider.consumers[spec.projectId] ?? 0),
};

const freeMemory: Weigher = {
  name: 'most free memory',
  weigh: ({ provider }) => free(provider, 'MEMORY_MB'),
};

const freeVcpus: Weigher = {
  name: 'most free VCPU',
  weigh: ({ provider }) => free(provider, 'VCPU'),
};

export const WEIGHERS: readonly Weigher[] = [softGroup, projectSpread, freeMemory, freeVcpus];
