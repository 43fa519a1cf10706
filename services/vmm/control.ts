// What the methods of the control socket do to a guest.

import { messageOf } from '#base';
import type { ControlSubject } from './control-server.ts';
import type { Guest } from './guest.ts';

export function controlSubject(id: string, guest: Guest): ControlSubject {
  return {
    id,
    state: () => ({ state: guest.state, reason: guest.reason }),
    methods: {
      status: async () => ({ state: guest.state, reason: guest.reason }),
      pause: async () => {
        await guest.pause();
        return {};
      },
      resume: async () => {
        await guest.resume();
        return {};
      },
      reset: async () => {
        await guest.reset();
        return {};
      },
      powerButton: async () => {
        guest.powerButton();
        return {};
      },
      powerOff: async () => {
        await guest.powerOff();
        return {};
      },
      save: async ({ folder, exit, incremental }) => {
        const bytes = await guest.save(folder, incremental);
        // The answer goes out first.
        if (exit === true)
          setImmediate(() => void guest.powerOff('saved').catch((error: unknown) => console.error(messageOf(error))));
        return { bytes };
      },
      dirtyLog: async ({ action }) => {
        const pages = await guest.dirtyLog(action);
        return pages === undefined ? {} : { pages: Buffer.from(pages.buffer).toString('base64') };
      },
      memory: async ({ socket }) => ({ bytes: await guest.openMemory(socket) }),
      saveState: async ({ file }) => {
        await guest.saveState(file);
        return {};
      },
      restoreState: async ({ file }) => {
        await guest.restoreState(file);
        return {};
      },
      resizeConsole: async ({ columns, rows }) => {
        guest.resizeConsole(columns, rows);
        return {};
      },
      balloon: async ({ memoryMiB }) => {
        guest.balloon(memoryMiB);
        return {};
      },
      stats: () => guest.stats(),
      inspect: () => guest.inspect(),
      translate: ({ address, hart, privilege }) => guest.translate(BigInt(address), hart ?? 0, privilege),
    },
  };
}
