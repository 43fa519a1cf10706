// catalog: the services of the cloud and where they are.

import { ClientError } from '#client';
import type { Command } from './command.ts';
import { Shown } from './format.ts';

interface Endpoint {
  readonly interface: string;
  readonly region?: string;
  readonly region_id?: string;
  readonly url: string;
}

function endpoints(list: readonly Endpoint[]): Shown {
  const text = list
    .map((one) => `${one.region_id ?? one.region ?? '<none>'}\n  ${one.interface}: ${one.url}`)
    .join('\n');
  return new Shown(list, text);
}

export const commands: readonly Command[] = [
  {
    words: 'catalog list',
    summary: 'List services in the catalog',
    output: 'list',
    async run(context) {
      const { catalog } = await (await context.cloud()).session.token();
      return {
        columns: ['Name', 'Type', 'Endpoints'],
        rows: catalog.map((one) => [one.name ?? '', one.type, endpoints(one.endpoints)]),
      };
    },
  },
  {
    words: 'catalog show',
    summary: 'Show a service of the catalog',
    positionals: [{ name: 'service', help: 'type or name' }],
    output: 'show',
    async run(context, args) {
      const { catalog } = await (await context.cloud()).session.token();
      const wanted = args.must('service');
      const found = catalog.find((one) => one.type === wanted || one.name === wanted);
      if (!found) throw new ClientError(`service ${wanted} not found`);
      return { endpoints: endpoints(found.endpoints), name: found.name ?? '', type: found.type };
    },
  },
];
