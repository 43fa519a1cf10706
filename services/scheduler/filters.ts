// Filters: each looks at one host and says why it will not do, or nothing. Asked in this order; the first to refuse is
// the host's verdict. Names are Nova's where Nova has the filter.

import { describeShortage, shortage } from '#model';
import type { HostView, RequestSpec } from './request-spec.ts';

export interface Filter {
  readonly name: string;
  /** The reason against the host, for people; undefined: none. */
  refuses(view: HostView, spec: RequestSpec): string | undefined;
}

const requestedHost: Filter = {
  name: 'RequestedHostFilter',
  refuses: ({ host }, spec) =>
    spec.forcedHost !== null && spec.forcedHost !== host.name ? `${spec.forcedHost} was asked for` : undefined,
};

const compute: Filter = {
  name: 'ComputeFilter',
  refuses: ({ host }) => {
    if (host.disabled !== null) {
      return `its compute service is disabled${host.disabled.reason === null ? '' : `: ${host.disabled.reason}`}`;
    }
    if (host.forcedDown === true) return 'an operator has forced it down';
    return host.state === 'down' ? 'its node agent does not report' : undefined;
  },
};

const retry: Filter = {
  name: 'RetryFilter',
  refuses: ({ host }, spec) =>
    spec.refusedHosts.includes(host.name) ? 'it has refused this server before' : undefined,
};

const availabilityZone: Filter = {
  name: 'AvailabilityZoneFilter',
  refuses: ({ host }, spec) =>
    spec.availabilityZone !== null && spec.availabilityZone !== host.availabilityZone
      ? `availability zone: asked ${spec.availabilityZone}, is ${host.availabilityZone}`
      : undefined,
};

const resources: Filter = {
  name: 'ResourceFilter',
  refuses: ({ provider }, spec) => {
    const short = shortage(provider, spec.amounts);
    return short === undefined ? undefined : describeShortage(short);
  },
};

const ARCHITECTURE_TRAIT = /^(?:CUSTOM|HW)_ARCH_(.+)$/;
/** Other spellings of an architecture in image properties. */
const ARCHITECTURE_ALIASES: Readonly<Record<string, string>> = { amd64: 'x86_64', arm64: 'aarch64' };

const imageProperties: Filter = {
  name: 'ImagePropertiesFilter',
  refuses: ({ host }, spec) => {
    const asked = spec.imageProperties.hw_architecture ?? spec.imageProperties.architecture;
    if (asked !== undefined) {
      const architecture = ARCHITECTURE_ALIASES[asked.toLowerCase()] ?? asked.toLowerCase();
      const has = host.traits.flatMap((trait) => ARCHITECTURE_TRAIT.exec(trait)?.[1]?.toLowerCase() ?? []);
      if (has.length > 0 && !has.includes(architecture)) {
        return `image architecture: asked ${architecture}, runs ${has.join(', ')}`;
      }
    }
    const hypervisor = spec.imageProperties.img_hv_type ?? spec.imageProperties.hypervisor_type;
    // The fake driver stands in for any.
    if (hypervisor !== undefined && host.hypervisorType !== 'fake' && hypervisor !== host.hypervisorType) {
      return `image hypervisor type: asked ${hypervisor}, is ${host.hypervisorType}`;
    }
    return undefined;
  },
};

const traits: Filter = {
  name: 'TraitsFilter',
  refuses: ({ host }, spec) => {
    const missing = spec.requiredTraits.filter((trait) => !host.traits.includes(trait));
    if (missing.length > 0) return `traits: ${missing.join(', ')} required, not there`;
    const unwanted = spec.forbiddenTraits.filter((trait) => host.traits.includes(trait));
    return unwanted.length > 0 ? `traits: ${unwanted.join(', ')} forbidden, but there` : undefined;
  },
};

const antiAffinity: Filter = {
  name: 'ServerGroupAntiAffinityFilter',
  refuses: ({ groupMembers }, spec) =>
    spec.group?.policy === 'anti-affinity' && groupMembers >= spec.group.maxServersPerHost
      ? `server group: it runs ${groupMembers} of the group, at most ${spec.group.maxServersPerHost} may be together`
      : undefined,
};

const differentHost: Filter = {
  name: 'DifferentHostFilter',
  refuses: ({ host }, spec) =>
    spec.differentHosts.includes(host.name) ? 'hint different_host: it runs a server to keep away from' : undefined,
};

const sameHost: Filter = {
  name: 'SameHostFilter',
  refuses: ({ host }, spec) =>
    spec.sameHosts !== null && !spec.sameHosts.includes(host.name)
      ? 'hint same_host: it does not run the server to be with'
      : undefined,
};

export const FILTERS: readonly Filter[] = [
  requestedHost,
  compute,
  retry,
  availabilityZone,
  resources,
  imageProperties,
  traits,
  antiAffinity,
  differentHost,
  sameHost,
];

/** Affinity speaks of all hosts at once: once a member runs somewhere, the others go there. */
export const AFFINITY_FILTER = 'ServerGroupAffinityFilter';
