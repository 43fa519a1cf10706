// The controller: REST, sagas, reconcilers and the image store over one store and one bus. It keeps no state of its own, so
// any number may run side by side.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  type ApiComponents,
  type Area,
  createApi,
  createAreas,
  seedFlavors,
  seedIdentity,
  servers,
  TokenService,
} from '#api';
import { type Clock, CumuletError, Group, type Log, type Startable } from '#base';
import type { Bus } from '#bus';
import { createConductor } from '#conductor';
import { collectBlobs, FolderBlobStore, seedImages, watchTransfers } from '#image';
import { HOST } from '#model';
import { createNetworkController, seedNetworks } from '#network';
import { createRecords, type Records, type Store } from '#store';
import type { Passwords } from './credentials.ts';

/** The default images lie in the repository. */
const TINY_IMAGE = fileURLToPath(new URL('../../deploy/images/tiny', import.meta.url));

export const REGION = 'RegionOne';

export interface ControllerComponents {
  readonly store: Store;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ControllerInit {
  /** Name of this controller among others. */
  readonly name: string;
  readonly listen: string;
  readonly port: number;
  /** Folder of the shared image store. */
  readonly images: string;
  readonly passwords: Passwords;
}

export interface Controller extends Startable {
  /** `http://address:port`, once started. */
  readonly url: string;
  /** Resolves when all these hosts have reported since `since` (UTC microseconds): servers can be placed there. */
  hear(hosts: readonly string[], since: number): Promise<void>;
}

export function createController(components: ControllerComponents, init: ControllerInit): Controller {
  return new ControllerProgram(components, init);
}

class ControllerProgram implements Controller {
  readonly #components: ControllerComponents;
  readonly #init: ControllerInit;
  #group = new Group();
  #records: Records | undefined;
  #server: Server | undefined;

  constructor(components: ControllerComponents, init: ControllerInit) {
    this.#components = components;
    this.#init = init;
  }

  get url(): string {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (address === undefined || address === null) throw new CumuletError('internal', 'the API does not listen yet');
    const host = address.address === '::' || address.address === '0.0.0.0' ? '127.0.0.1' : address.address;
    return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  }

  async start(): Promise<void> {
    const { store, bus, clock, log } = this.#components;
    const records = createRecords(store, { log });
    this.#records = records;
    const tokens = new TokenService(records, clock);
    const blobs = await FolderBlobStore.open(this.#init.images);
    const seed = async (): Promise<void> => {
      const { projects } = await seedIdentity(records, this.#init.passwords);
      await seedFlavors({ records, clock });
      await seedNetworks({ records, clock, projects });
      await seedImages({ records, blobs, clock, log, owner: projects.admin }, TINY_IMAGE);
    };
    const group = new Group();
    this.#group = group;
    group.add(records);
    group.add(tokens);
    group.add({ start: seed, stop: async () => {} });
    group.add(createConductor({ records, store, bus, clock, log, owner: this.#init.name }));
    group.add(createNetworkController({ records, bus, clock, log }));
    group.add(collectBlobs({ blobs, records, clock, log }));
    group.add(watchTransfers({ records, clock, log }));
    const api: ApiComponents = { records, bus, clock, log, tokens, region: REGION };
    const compute = servers({ records, clock, log });
    group.add({ start: async () => {}, stop: async () => compute.close() });
    group.add(this.#http(api, createAreas({ tokens, servers: compute, blobs })));
    await group.start();
  }

  stop(): Promise<void> {
    return this.#group.stop();
  }

  hear(hosts: readonly string[], since: number): Promise<void> {
    const missing = new Set(hosts);
    return new Promise((resolve) => {
      const cancel = this.#records!.watch(HOST, (change) => {
        if (change.type === 'put' && change.value.startedAt >= since) missing.delete(change.value.name);
        if (missing.size > 0) return;
        resolve();
        queueMicrotask(() => cancel());
      });
    });
  }

  #http(components: ApiComponents, areas: readonly Area[]): Startable {
    const api = createApi(components, areas);
    const server = createServer(api.app).on('upgrade', api.upgrade);
    const { listen, port } = this.#init;
    return {
      start: async () => {
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen(port, listen, resolve);
        });
        this.#server = server;
      },
      stop: () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    };
  }
}
