// status: the cloud on one screen: where it is, who one is there, how much it holds.

import type { CloudClient } from '#client';
import type { Command } from './command.ts';

/** A part that this user may not see, or that this cloud does not have, is left out. */
async function attempt<T>(part: Promise<T>): Promise<T | undefined> {
  return part.catch(() => undefined);
}

async function nodesUp({ compute }: CloudClient): Promise<string | undefined> {
  const services = await attempt(compute.services({ binary: 'nova-compute' }));
  return services && `${services.filter((one) => one.state === 'up').length} of ${services.length}`;
}

export const commands: readonly Command[] = [
  {
    words: 'status',
    summary: 'Show where the cloud is, its nodes and what runs on it',
    output: 'show',
    async run(context) {
      const cloud = await context.cloud();
      const { session, compute, image, network } = cloud;
      const started = performance.now();
      const token = await session.token();
      const [nodes, all, own, images, networks] = await Promise.all([
        nodesUp(cloud),
        attempt(compute.servers.list({ all_tenants: 'True' })),
        attempt(compute.servers.list()),
        attempt(image.images.list()),
        attempt(network.networks.list()),
      ]);
      const milliseconds = Math.round(performance.now() - started);
      const servers = all ?? own;
      return {
        cloud: session.config.name,
        auth_url: session.config.auth.auth_url ?? null,
        user: token.user.name,
        project: token.project?.name ?? null,
        roles: token.roles.join(', '),
        ...(nodes !== undefined && { nodes_up: nodes }),
        ...(servers && {
          servers: servers.length,
          servers_active: servers.filter((one) => one.status === 'ACTIVE').length,
          servers_error: servers.filter((one) => one.status === 'ERROR').length,
        }),
        ...(images && { images: images.length }),
        ...(networks && { networks: networks.length }),
        answered_in_ms: milliseconds,
      };
    },
  },
];
