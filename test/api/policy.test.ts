// The policy table, run: every route is asked by every kind of token over HTTP. Who has no token gets 401, whom the rule
// refuses 403 and nothing else, also for what does not exist; whom it lets in is never told otherwise by the rule.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Area, createApi, type Route } from '#api';
import { silentLog } from '#base';
import { createInProcessBus } from '#bus';
import { type Answer, call } from '#test/support/api.ts';
import {
  type AllAreas,
  allAreas,
  PERSONAS,
  type Persona,
  paramsOf,
  routesOf,
  verdict,
} from '#test/support/personas.ts';

let all: AllAreas;
let server: Server;
let url: string;

beforeAll(async () => {
  all = await allAreas();
  const byName = new Map(PERSONAS.map(({ name, auth }) => [name, auth]));
  const { records, clock } = all;
  const tokens = { verify: async (token: string) => byName.get(token) };
  const components = { records, clock, tokens, bus: createInProcessBus(), log: silentLog, region: 'RegionOne' };
  server = createServer(createApi(components, all.areas).app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await all.close();
});

function ask(area: Area, path: string, route: Route, persona: Persona | undefined): Promise<Answer> {
  const params = paramsOf(route, persona?.own ?? false);
  const target = path.replaceAll(/[:*](\w+)/g, (_all, name: string) => params[name] ?? '');
  const version = route.min?.toString();
  const versioned = version !== undefined && area.microversions !== undefined;
  const headers: Record<string, string> = versioned
    ? { 'OpenStack-API-Version': `${area.microversions?.service} ${version}` }
    : {};
  // Enough of a body to reach the rule of an action.
  const body = route.action === undefined ? undefined : { [route.action]: null };
  return call(url, route.method, target, { token: persona?.name, headers, body });
}

/** The answer's words name exactly this rule; a handler's finer rule (`<rule>:others`) is another one. */
const names = (answer: Answer, rule: string): boolean =>
  wordsOf(answer)
    .split(/[^\w:-]+/)
    .some((word) => word === rule || word === `rule:${rule}`);

const wordsOf = (answer: Answer): string => JSON.stringify(answer.body);

describe('a route', () => {
  it('that needs a token answers 401 without one, in the words of Keystone', async () => {
    for (const area of all.areas) {
      for (const [path, route] of routesOf(area)) {
        if (verdict(area, route, PERSONAS[0]!) === 'open') continue;
        const answer = await ask(area, path, route, undefined);
        expect([answer.status, `${route.method} ${path}`]).toEqual([401, `${route.method} ${path}`]);
        expect(answer.headers.get('www-authenticate')).toBe(`Keystone uri="${url}/identity"`);
        if (route.method !== 'HEAD') expect(answer.body.error.code).toBe(401);
      }
    }
  });

  it.each(PERSONAS.map((persona) => [persona.name, persona] as const))(
    'does for %s what the table says',
    async (_name, persona) => {
      const wrong: string[] = [];
      for (const area of all.areas) {
        for (const [path, route] of routesOf(area)) {
          const said = verdict(area, route, persona);
          if (said === 'open') continue;
          const answer = await ask(area, path, route, persona);
          const refusedByRule = answer.status === 403 && (route.method === 'HEAD' || names(answer, route.rule));
          const fine = said === '403' ? refusedByRule : answer.status !== 401 && !refusedByRule;
          if (!fine || answer.status === 500) {
            wrong.push(
              `${route.method} ${path} ${route.action ?? ''}: ${said}, but ${answer.status} ${wordsOf(answer)}`,
            );
          }
        }
      }
      expect(wrong).toEqual([]);
    },
  );
});
