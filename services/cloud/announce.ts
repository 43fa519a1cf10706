// What `make up` prints when the cloud is ready. Pure.

import type { WrittenCredentials } from './credentials.ts';
import type { CloudOptions } from './options.ts';
import type { Cloud } from './start-cloud.ts';

export interface Announcement {
  readonly cloud: Pick<Cloud, 'url' | 'passwords' | 'nodes'>;
  readonly options: Pick<CloudOptions, 'driver'>;
  readonly written: WrittenCredentials | undefined;
  readonly logFile: string;
  readonly seconds: number;
}

export function announce({ cloud, options, written, logFile, seconds }: Announcement): string {
  const guests = options.driver === 'fake' ? 'pretend guests' : 'guests in our own emulator';
  const credentials =
    written === undefined
      ? [`  admin      password ${cloud.passwords.admin}`]
      : [
          written.problem === undefined
            ? `  clouds     ${written.cloudsYaml}   (entries cumulet, cumulet-demo, devstack ...)`
            : `  clouds     not written: ${written.problem}`,
          `  openrc     ${written.openrc}   (source it: openrc [user] [project])`,
        ];
  return [
    `Cumulet is up in ${seconds.toFixed(1)} s: ${cloud.nodes.length} nodes, ${guests}.`,
    '',
    `  API        ${cloud.url}`,
    ...credentials,
    `  log        ${logFile}`,
    '',
    'Try:   bin/cloudctl server create --image tiny --flavor m1.tiny --network private --wait web1',
    'then:  bin/cloudctl console attach web1        or, with the stock client: openstack --os-cloud cumulet server list',
    '',
    "Ctrl-C saves the guests and stops; 'make up' brings them back.",
  ].join('\n');
}
