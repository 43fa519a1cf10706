// Runs one guest to its end: on this terminal, or supervised through its sockets.

import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import type { EmulatorArguments } from './arguments.ts';
import { ConsoleHub } from './console-hub.ts';
import { ConsoleLog } from './console-log.ts';
import { ConsoleSocket } from './console-socket.ts';
import type { GuestConfig, GuestState } from './contract.ts';
import { controlSubject } from './control.ts';
import { ControlServer } from './control-server.ts';
import { GdbServer } from './gdb-server.ts';
import { Guest } from './guest.ts';
import type { HartThreads } from './hart-threads.ts';
import { MachineDebug } from './machine-debug.ts';
import type { RfbServer } from './rfb/server.ts';
import { isFinal } from './state.ts';
import { Terminal } from './terminal.ts';

export interface Ended {
  readonly state: GuestState;
  readonly reason: string | undefined;
}

export async function onTerminal(options: EmulatorArguments, threads: HartThreads): Promise<Ended> {
  const hub = new ConsoleHub();
  const guest = await Guest.create(configOf(options), hub, { noReboot: options.noReboot, anyBacking: true, threads });
  const terminal = new Terminal(hub, () => void guest.powerOff('ended from the terminal'));
  const control = new ControlServer(controlSubject('guest', guest));
  if (options.control !== undefined) await control.listen(options.control);
  const screen = await screenServer(guest, 'guest');
  if (screen !== undefined && options.vnc !== undefined) {
    const { host, port } = options.vnc;
    writeSync(2, `emulator: the screen is on ${host}:${await screen.listenOn(host, port)}\n`);
  }
  const say = (message: string): void => void writeSync(2, `emulator: ${message}\n`);
  const debug = options.gdb === undefined ? undefined : new GdbServer(new MachineDebug(guest.debugged()), say);
  if (debug !== undefined) say(`a debugger may connect: ${await debug.listen(options.gdb!)}`);
  terminal.open();
  try {
    return await runToEnd(guest, control, debug);
  } finally {
    terminal.close();
    await screen?.close();
    await control.close();
  }
}

/** Its code is loaded for guests with a screen alone. */
async function screenServer(guest: Guest, name: string): Promise<RfbServer | undefined> {
  const { display } = guest;
  if (display === undefined) return undefined;
  const rfb = await import('./rfb/server.ts');
  return new rfb.RfbServer(display.screen, display.input, name);
}

export async function supervised(config: GuestConfig, threads: HartThreads): Promise<Ended> {
  // Sockets and files of a guest are its owner's alone.
  process.umask(0o077);
  const hub = new ConsoleHub();
  const log = new ConsoleLog(config.consoleLog);
  hub.attach((bytes) => log.append(bytes));
  const console = new ConsoleSocket(hub);
  const guest = await Guest.create(config, hub, { threads });
  const control = new ControlServer(controlSubject(config.id, guest));
  const screen = await screenServer(guest, config.name);
  try {
    await console.listen(config.consoleSocket);
    if (config.display !== undefined) await screen?.listen(config.display.socket);
    await control.listen(config.controlSocket);
    await writeFile(`${config.pidFile}.next`, `${process.pid}\n`);
    await rename(`${config.pidFile}.next`, config.pidFile);
    return await runToEnd(guest, control);
  } finally {
    await console.close();
    await screen?.close();
    await control.close();
    log.close();
    await rm(config.pidFile, { force: true });
  }
}

/** Starts the guest and waits for its end. */
async function runToEnd(guest: Guest, control: ControlServer, debug?: GdbServer): Promise<Ended> {
  const ended = new Promise<void>((resolve) => {
    guest.onState((state, reason) => {
      control.event(state, reason);
      if (isFinal(state)) resolve();
    });
  });
  const terminate = (): void => void guest.powerOff('told to end (SIGTERM)').catch(() => undefined);
  process.on('SIGTERM', terminate);
  process.on('SIGINT', terminate);
  process.on('SIGHUP', terminate);
  try {
    await guest.start();
    await ended;
  } finally {
    await debug?.close();
    await guest.close();
  }
  return { state: guest.state, reason: guest.reason };
}

function configOf(options: EmulatorArguments): GuestConfig {
  return {
    id: 'guest',
    name: 'guest',
    memoryMiB: options.memoryMiB,
    translate: options.translate,
    harts: options.harts,
    kernel: options.kernel,
    initrd: options.initrd,
    append: options.append,
    bios: options.bios,
    disks: options.disks.map((disk, index) => ({ ...disk, serial: `disk${index}` })),
    nics: options.nets.map((net, index) => ({
      id: `net${index}`,
      mac: net.mac ?? randomMac(),
      socket: net.socket,
      framing: net.framing,
      offloads: net.offloads,
    })),
    vsock: options.vsock,
    ports: options.ports,
    display: options.display === undefined ? undefined : { ...options.display, socket: '' },
    consoleLog: '',
    consoleSocket: '',
    controlSocket: options.control ?? '',
    pidFile: '',
    restoreFrom: options.restore,
    startPaused: options.gdbWait,
  };
}

/** Locally administered, as QEMU's default range would collide with its guests. */
const randomMac = (): string =>
  ['02', ...Array.from(randomBytes(5), (byte) => byte.toString(16).padStart(2, '0'))].join(':');
