// The API of servers over HTTP, on a control plane of ServerCloud: tokens by name, a few flavors, and node agents whose
// consoles answer over gRPC.

import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import {
  type Area,
  type AuthContext,
  createApi,
  Microversion,
  NOVA,
  SERVER_GROUP_ROUTES,
  SERVER_GROUP_RULES,
  SERVER_RULES,
  type Servers,
  servers,
} from '#api';
import { newUuid, silentLog, systemClock } from '#base';
import { loadServices } from '#gen';
import { FLAVOR, type Flavor, IMAGE, type Image, KEYPAIR, SERVER } from '#model';
import { PROJECT, ServerCloud, type ServerCloudOptions } from './server-cloud.ts';

export const OTHER_PROJECT = 'p0000000000000000000000000000002';
export const MAX = '2.96';

const who = (userName: string, projectId: string, roles: readonly string[]): AuthContext => ({
  userId: `${userName.padEnd(31, '0')}1`,
  userName,
  userDomainId: 'default',
  userDomainName: 'Default',
  projectId,
  projectName: projectId,
  projectDomainId: 'default',
  projectDomainName: 'Default',
  systemScope: false,
  roles,
  isAdmin: roles.includes('admin'),
  expiresAt: Number.MAX_SAFE_INTEGER,
  auditId: 'audit',
});

/** By token. */
export const PEOPLE: Readonly<Record<string, AuthContext>> = {
  demo: who('demo', PROJECT, ['member', 'reader']),
  reader: who('reader', PROJECT, ['reader']),
  other: who('other', OTHER_PROJECT, ['member', 'reader']),
  admin: who('admin', PROJECT, ['admin', 'manager', 'member', 'reader']),
};

const flavor = (id: string, ramMib: number, diskGib = 1): Flavor => ({
  id,
  name: `flavor-${id}`,
  vcpus: 1,
  ramMib,
  diskGib,
  ephemeralGib: 0,
  swapMib: 0,
  rxtxFactor: 1,
  isPublic: true,
  description: null,
  extraSpecs: {},
  projects: [],
  createdAt: 0,
  updatedAt: null,
});
const FLAVORS = [flavor('1', 512), flavor('2', 2048), flavor('huge', 1 << 20), flavor('0', 64, 0)];

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are looked into by tests
  readonly body: any;
  readonly headers: Headers;
}

export interface AskOptions {
  readonly as?: string;
  readonly version?: string;
}

export class ServerApi {
  readonly cloud: ServerCloud;
  readonly typed: string[] = [];
  imageId = newUuid();
  url = '';
  #http: HttpServer | undefined;
  #servers: Servers | undefined;
  #grpc: grpc.Server | undefined;

  constructor(options: ServerCloudOptions = {}) {
    this.cloud = new ServerCloud(options);
  }

  static async started(options: ServerCloudOptions = {}): Promise<ServerApi> {
    const grpcServer = new grpc.Server();
    const address = await bind(grpcServer);
    const api = new ServerApi({ ...options, agent: { ...options.agent, grpcAddress: address } });
    api.#grpc = grpcServer;
    api.#serveConsole(grpcServer);
    await api.cloud.start();
    await api.#seed();
    await api.#listen();
    return api;
  }

  async stop(): Promise<void> {
    this.#http?.closeAllConnections();
    await new Promise((resolve) => this.#http?.close(resolve));
    this.#servers?.close();
    this.#grpc?.forceShutdown();
    await this.cloud.stop();
  }

  async ask(method: string, path: string, body?: unknown, options: AskOptions = {}): Promise<Answer> {
    const response = await fetch(`${this.url}/compute/v2.1${path}`, {
      method,
      headers: {
        'X-Auth-Token': options.as ?? 'demo',
        ...(options.version === undefined ? {} : { 'OpenStack-API-Version': `compute ${options.version}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers };
  }

  /** The body of a create. */
  wish(change: Record<string, unknown> = {}): { server: Record<string, unknown> } {
    const networks = [{ uuid: this.cloud.networkId }];
    return { server: { name: 'web1', imageRef: this.imageId, flavorRef: '1', networks, ...change } };
  }

  async create(change: Record<string, unknown> = {}, options: AskOptions = {}): Promise<string> {
    const { status, body } = await this.ask('POST', '/servers', this.wish(change), options);
    if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body.server.id;
  }

  /** Creates, and waits until nothing is under way. */
  async made(change: Record<string, unknown> = {}, options: AskOptions = {}): Promise<string> {
    const id = await this.create(change, options);
    await this.cloud.settled(id);
    return id;
  }

  async changeImage(change: Partial<Image>): Promise<void> {
    await this.cloud.records.transact((tx) => {
      const image = tx.get(IMAGE, this.imageId);
      if (image !== undefined) tx.update(IMAGE, { ...image, ...change });
    });
  }

  /** As if the server had been made of an image with these properties. */
  async changeServer(id: string, properties: Readonly<Record<string, string>>): Promise<void> {
    await this.cloud.records.transact((tx) => {
      const server = tx.get(SERVER, id);
      if (server?.image != null) tx.update(SERVER, { ...server, image: { ...server.image, properties } });
    });
  }

  async #seed(): Promise<void> {
    const image: Image = {
      id: this.imageId,
      name: 'tiny',
      owner: 'admin',
      visibility: 'public',
      status: 'active',
      protected: false,
      hidden: false,
      diskFormat: 'qcow2',
      containerFormat: 'bare',
      minDiskGib: 0,
      minRamMib: 0,
      tags: [],
      properties: {},
      content: { contentId: 'a'.repeat(64), size: 1000, checksum: '', hash: '', virtualSize: 1 << 26 },
      staged: null,
      transfer: null,
      message: null,
      createdAt: 0,
      updatedAt: 0,
    };
    const key = {
      userId: PEOPLE.demo!.userId,
      name: 'mine',
      type: 'ssh',
      publicKey: 'ssh-ed25519 AAAA demo',
      fingerprint: '',
      number: 1,
      createdAt: 0,
    } as const;
    await this.cloud.records.transact((tx) => {
      tx.create(IMAGE, image);
      tx.create(KEYPAIR, key);
      for (const one of FLAVORS) tx.create(FLAVOR, one);
    });
  }

  async #listen(): Promise<void> {
    const { records, bus } = this.cloud;
    const clock = systemClock;
    this.#servers = servers({ records, clock, log: silentLog });
    const area: Area = {
      name: 'nova',
      dialect: NOVA,
      prefix: '/compute',
      root: '/v2.1',
      routes: [...this.#servers.routes, ...SERVER_GROUP_ROUTES],
      rules: { ...SERVER_RULES, ...SERVER_GROUP_RULES },
      microversions: { service: 'compute', min: Microversion.parse('2.1'), max: Microversion.parse(MAX) },
      sockets: this.#servers.sockets,
    };
    const tokens = { verify: async (token: string) => PEOPLE[token] };
    const api = createApi({ records, bus, clock, log: silentLog, tokens, region: 'RegionOne' }, [area]);
    this.#http = createServer(api.app);
    this.#http.on('upgrade', api.upgrade);
    await new Promise<void>((resolve) => this.#http?.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** Prints its lines, echoes what is typed in upper case, and tells sizes. */
  #serveConsole(server: grpc.Server): void {
    const root = grpc.loadPackageDefinition(loadServices()) as unknown as {
      compute: { v1: { ComputeAgentService: { service: grpc.ServiceDefinition } } };
    };
    type Call = { request: { instanceId: string; lines: number } };
    type Done = (error: Error | null, answer: object) => void;
    server.addService(root.compute.v1.ComputeAgentService.service, {
      GetConsoleOutput: ({ request }: Call, done: Done) => {
        const lines = ['OpenSBI', 'Linux', 'login:'];
        done(null, { output: Buffer.from(lines.slice(request.lines === 0 ? 0 : -request.lines).join('\n')) });
      },
      GetStats: (_call: Call, done: Done) => {
        const stats = {
          state: 'running',
          uptimeMs: 5000,
          cpuSeconds: 2,
          residentBytes: 1 << 26,
          memoryMiB: 512,
          harts: [{}],
          disks: [{ serial: 'disk', reads: 1, writes: 2, readBytes: 3, writeBytes: 4 }],
          nics: [],
        };
        done(null, { json: JSON.stringify(stats) });
      },
      // A screen that says its first word, and then what it is told.
      AttachDisplay: (call: grpc.ServerDuplexStream<{ instanceId?: string; data?: Buffer }, { data: Buffer }>) => {
        call.on('data', (message) => {
          call.write({ data: message.instanceId ? Buffer.from('RFB 003.008\n') : (message.data ?? Buffer.alloc(0)) });
        });
        call.on('end', () => call.end());
        call.on('error', () => {});
      },
      AttachConsole: (
        call: grpc.ServerDuplexStream<{ instanceId?: string; data?: Buffer; resize?: object }, { data: Buffer }>,
      ) => {
        call.on('data', (message) => {
          if (message.instanceId) call.write({ data: Buffer.from(`console of ${message.instanceId}\r\n`) });
          if (message.resize) call.write({ data: Buffer.from(`size ${JSON.stringify(message.resize)}`) });
          if (message.data) {
            const typed = message.data.toString();
            this.typed.push(typed);
            if (typed === 'exit') call.end();
            else call.write({ data: Buffer.from(typed.toUpperCase()) });
          }
        });
        call.on('end', () => call.end());
        call.on('error', () => {});
      },
    });
  }
}

async function bind(server: grpc.Server): Promise<string> {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return `127.0.0.1:${port}`;
}
