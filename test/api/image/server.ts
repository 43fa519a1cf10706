// The image API alone behind a port: a store in memory, an image store in a folder, and tokens by name.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AuthContext, createApi, imageArea } from '#api';
import { silentLog, systemClock } from '#base';
import { createInProcessBus } from '#bus';
import { FolderBlobStore } from '#image';
import { createRecords, memoryStore, type Records } from '#store';
import { tempFolder } from '#test/support/programs.ts';

export interface ImageServer {
  readonly url: string;
  readonly records: Records;
  readonly blobs: FolderBlobStore;
  stop(): Promise<void>;
}

const ROLES = {
  admin: ['admin', 'manager', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
} as const;

/** A token is `<role>@<project>`. */
function authOf(token: string): AuthContext | undefined {
  const [role = '', project] = token.split('@');
  const roles = ROLES[role as keyof typeof ROLES];
  if (roles === undefined || project === undefined) return undefined;
  return {
    userId: `u-${role}`,
    userName: role,
    userDomainId: 'default',
    userDomainName: 'Default',
    projectId: project,
    projectName: project,
    projectDomainId: 'default',
    projectDomainName: 'Default',
    systemScope: false,
    roles,
    isAdmin: role === 'admin',
    expiresAt: Number.MAX_SAFE_INTEGER,
    auditId: 'a',
  };
}

export async function startImageServer(options: { maxBytes?: number } = {}): Promise<ImageServer> {
  const folder = tempFolder('images');
  const blobs = await FolderBlobStore.open(folder.path);
  const store = memoryStore();
  const records = createRecords(store, { log: silentLog });
  await records.start();
  const components = {
    records,
    bus: createInProcessBus({ log: silentLog }),
    clock: systemClock,
    log: silentLog,
    tokens: { verify: async (token: string) => authOf(token) },
    region: 'RegionOne',
  };
  const { app } = createApi(components, [imageArea({ blobs, allowLocalDownloads: true, ...options })]);
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/image`,
    records,
    blobs,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await records.stop();
      await store.close();
      folder.remove();
    },
  };
}
