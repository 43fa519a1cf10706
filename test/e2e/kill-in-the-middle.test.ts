// kill -9 of the whole cloud at random moments, while servers are created, stopped and deleted. Every next start continues
// or undoes what was under way: nothing is lost, doubled or stuck, and what is counted equals what there is.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { silentLog } from '#base';
import { createRecords, openEmbeddedStore } from '#store';
import { type CloudFolders, CloudProcess, cloudFolders } from '../support/cloud.ts';
import { findGuests } from '../support/guest-processes.ts';
import { brokenRecords, leakedAddresses, livingServers } from '../support/invariants.ts';
import { waitUntil } from '../support/wait.ts';

const NODES = ['node-1', 'node-2', 'node-3'];

let folders: CloudFolders;
let cloud: CloudProcess;

afterEach(async () => {
  await cloud?.end('SIGKILL');
  await folders?.dispose();
});

/** A small generator with a seed, so that a failure can be run again (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What was asked for, and what the cloud said that it would do. */
class Ledger {
  /** Servers that were promised with 202. */
  readonly promised = new Set<string>();
  /** Servers whose delete was asked for, promised or not: the answer may have died with the cloud. */
  readonly deleting = new Set<string>();
  /** Requests that were answered. */
  answers = 0;
}

/** Asks for one thing after the other until the cloud does not answer any more. */
async function churn(token: string, ledger: Ledger, random: () => number, kinds: Kinds): Promise<void> {
  const call = (method: string, path: string, body?: unknown) => cloud.api(method, path, { token, body });
  const { flavor, image } = kinds;
  try {
    for (let turn = 0; ; turn++) {
      const standing = [...ledger.promised].filter((id) => !ledger.deleting.has(id));
      const one = standing[Math.floor(random() * standing.length)];
      const choice = random();
      if (standing.length < 8 && (choice < 0.5 || one === undefined)) {
        // `auto`: an address on the shared network, where leaks would show.
        const server = { name: `s${turn}`, flavorRef: flavor, imageRef: image, networks: 'auto' };
        const headers = { 'OpenStack-API-Version': 'compute 2.37' };
        const answer = await cloud.api('POST', '/compute/v2.1/servers', { token, headers, body: { server } });
        expect([202, 403]).toContain(answer.status);
        if (answer.status === 202) ledger.promised.add(answer.body.server.id);
      } else if (one !== undefined && (choice < 0.8 || standing.length >= 8)) {
        ledger.deleting.add(one);
        expect((await call('DELETE', `/compute/v2.1/servers/${one}`)).status).toBe(204);
      } else if (one !== undefined) {
        // 409 while it is still being made, 404 when another has deleted it meanwhile.
        const action = choice < 0.9 ? { 'os-stop': null } : { 'os-start': null };
        expect([202, 404, 409]).toContain((await call('POST', `/compute/v2.1/servers/${one}/action`, action)).status);
      }
      ledger.answers += 1;
      await sleep(random() * kinds.pauseMs);
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch failed: the cloud is dead
  }
}

interface Kinds {
  readonly flavor: string;
  readonly image: string;
  /** At most, between two requests. */
  readonly pauseMs: number;
}

async function imageId(token: string): Promise<string> {
  return (await cloud.api('GET', '/image/v2/images?name=tiny', { token })).body.images[0].id;
}

/** A flavor so small that many guests fit on a small machine. */
async function smallFlavor(token: string): Promise<string> {
  const flavor = { name: 'pocket', ram: 64, vcpus: 1, disk: 1, id: 'pocket' };
  const { status } = await cloud.api('POST', '/compute/v2.1/flavors', { token, body: { flavor } });
  expect([200, 409]).toContain(status);
  return flavor.id;
}

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly fault?: { readonly message: string };
}

async function servers(token: string): Promise<Shown[]> {
  return (await cloud.api('GET', '/compute/v2.1/servers/detail', { token })).body.servers;
}

async function untilSettled(token: string): Promise<Shown[]> {
  let seen: Shown[] = [];
  await waitUntil(async () => {
    seen = await servers(token);
    return seen.every((server) => server['OS-EXT-STS:task_state'] === null && server.status !== 'BUILD');
  }, 60_000).catch((error: unknown) => {
    throw new Error(`not settled: ${JSON.stringify(seen)}`, { cause: error });
  });
  return seen;
}

async function killAtRandomMoments(args: readonly string[], rounds: number, seed: number, pauseMs: number) {
  const random = randomFrom(seed);
  const ledger = new Ledger();
  const start = () => CloudProcess.start(folders, ['all', '--port', '0', ...args]);
  for (let round = 0; round < rounds; round++) {
    cloud = await start();
    const token = await cloud.token();
    const kinds = { flavor: await smallFlavor(token), image: await imageId(token), pauseMs };
    const churning = Promise.all([1, 2, 3].map(() => churn(token, ledger, random, kinds)));
    const enough = ledger.answers + 4 + random() * 8;
    await Promise.race([churning, waitUntil(() => ledger.answers >= enough, 30_000)]);
    // Into the middle of whatever is under way.
    await sleep(random() * 250);
    await cloud.end('SIGKILL');
    await churning;
  }
  cloud = await start();
  const token = await cloud.token();
  return { token, ledger, shown: await untilSettled(token) };
}

/** What the API says about the whole cloud equals what the list of servers says. */
async function expectCountsToAgree(token: string, shown: readonly Shown[]): Promise<void> {
  const { body } = await cloud.api('GET', '/compute/v2.1/limits', { token });
  expect(body.limits.absolute.totalInstancesUsed).toBe(shown.length);
  expect(body.limits.absolute.totalRAMUsed).toBe(64 * shown.length);
  const detail = await cloud.api('GET', '/compute/v2.1/os-hypervisors/detail', { token });
  const used = detail.body.hypervisors.reduce((sum: number, each: { vcpus_used: number }) => sum + each.vcpus_used, 0);
  expect(used).toBe(shown.length);
}

/** The store as the stopped cloud has left it. */
async function expectNothingBroken(): Promise<void> {
  const store = await openEmbeddedStore({ folder: join(folders.state, 'store') });
  const records = createRecords(store, { log: silentLog });
  await records.start();
  try {
    expect([...brokenRecords(records), ...(await leakedAddresses(store, records))]).toEqual([]);
    const living = livingServers(records);
    const addresses = living.flatMap(({ nics }) => nics.map(({ portId }) => portId));
    expect(addresses.length).toBe(living.length);
    for (const node of NODES) {
      const mine = living.filter(({ owner }) => owner?.host === node).map(({ id }) => id);
      expect((await readdir(join(folders.state, node, 'instances'))).sort()).toEqual(mine.sort());
    }
  } finally {
    await records.stop();
    await store.close();
  }
}

function expectPromisesKept({ promised, deleting }: Ledger, shown: readonly Shown[]): void {
  const there = new Set(shown.map(({ id }) => id));
  const kept = [...promised].filter((id) => !deleting.has(id));
  expect(kept.filter((id) => !there.has(id))).toEqual([]);
  // A request whose answer never came may have been carried out: at most one of each of the three that ask, a round.
  expect(promised.size).toBeGreaterThan(5);
}

it('pretend guests: six kills leave every promise kept and every count right', async () => {
  folders = await cloudFolders('kill');
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const { token, ledger, shown } = await killAtRandomMoments(['--driver', 'fake'], 6, seed, 40);
  const about = `SEED=${seed}`;
  expectPromisesKept(ledger, shown);
  expect(
    shown.filter(({ status }) => !['ACTIVE', 'SHUTOFF'].includes(status)),
    about,
  ).toEqual([]);
  await expectCountsToAgree(token, shown);
  await cloud.end('SIGTERM');
  await expectNothingBroken();
}, 90_000);

it('real guests: three kills leave one process for a running server, none for a stopped or deleted one', async () => {
  folders = await cloudFolders('killreal');
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const { token, ledger, shown } = await killAtRandomMoments([], 3, seed, 200);
  expectPromisesKept(ledger, shown);
  expect(
    shown.filter(({ status }) => !['ACTIVE', 'SHUTOFF'].includes(status)),
    `SEED=${seed}`,
  ).toEqual([]);
  for (const { id, status } of shown) {
    const guests = (
      await Promise.all(NODES.map((node) => findGuests(join(folders.state, node, 'instances', id))))
    ).flat();
    expect(guests.length, `${id} is ${status}`).toBe(status === 'ACTIVE' ? 1 : 0);
  }
  const all = await findGuests(folders.state);
  expect(all.length).toBe(shown.filter(({ status }) => status === 'ACTIVE').length);
  await expectCountsToAgree(token, shown);
  await cloud.end('SIGTERM');
  await expectNothingBroken();
}, 120_000);
