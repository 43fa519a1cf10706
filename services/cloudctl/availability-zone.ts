// availability zone: where servers can be put.

import type { Command } from './command.ts';

interface Zone {
  readonly zoneName: string;
  readonly zoneState: { readonly available: boolean };
  readonly hosts?: Readonly<
    Record<string, Readonly<Record<string, { active: boolean; available: boolean; updated_at: string }>>>
  > | null;
}

const stateOf = (zone: Zone): string => (zone.zoneState.available ? 'available' : 'not available');

export const commands: readonly Command[] = [
  {
    words: 'availability zone list',
    summary: 'List availability zones',
    options: [
      { name: 'compute', help: 'of compute (the default)' },
      { name: 'long', help: 'with hosts and services (admin)' },
    ],
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const zones = (await compute.availabilityZones(args.has('long'))) as unknown as Zone[];
      if (!args.has('long')) {
        return { columns: ['Zone Name', 'Zone Status'], rows: zones.map((zone) => [zone.zoneName, stateOf(zone)]) };
      }
      const rows = zones.flatMap((zone) =>
        Object.entries(zone.hosts ?? {}).flatMap(([host, services]) =>
          Object.entries(services).map(([service, state]) => [
            ...[zone.zoneName, stateOf(zone), '', host, service],
            `${state.active ? 'enabled' : 'disabled'} ${state.available ? ':-)' : 'XXX'} ${state.updated_at}`,
          ]),
        ),
      );
      return {
        columns: ['Zone Name', 'Zone Status', 'Zone Resource', 'Host Name', 'Service Name', 'Service Status'],
        rows,
      };
    },
  },
];
