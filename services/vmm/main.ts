// The program `bin/emulator`: one guest, either on this terminal or supervised by a node agent.

import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { CumuletError, messageOf } from '#base';
import { type EmulatorArguments, HELP, parseArguments } from './arguments.ts';
import { ConsoleHub } from './console-hub.ts';
import { ConsoleLog } from './console-log.ts';
import { ConsoleSocket } from './console-socket.ts';
import type { GuestConfig } from './contract.ts';
import { controlSubject } from './control.ts';
import { ControlServer } from './control-server.ts';
import { Guest } from './guest.ts';
import { isFinal } from './state.ts';
import { Terminal } from './terminal.ts';

const EXIT = { POWERED_OFF: 0, FAILED_TO_START: 1, USAGE: 2, CRASHED: 3 } as const;

async function main(): Promise<number> {
  let options: EmulatorArguments;
  try {
    options = parseArguments(process.argv.slice(2));
  } catch (error) {
    complain(messageOf(error));
    return EXIT.USAGE;
  }
  if (options.help) {
    writeSync(1, HELP);
    return 0;
  }
  try {
    return options.guest === undefined ? await onTerminal(options) : await supervised(options.guest);
  } catch (error) {
    complain(messageOf(error));
    if (!(error instanceof CumuletError)) complain(error instanceof Error ? (error.stack ?? '') : '');
    return EXIT.FAILED_TO_START;
  }
}

async function onTerminal(options: EmulatorArguments): Promise<number> {
  const hub = new ConsoleHub();
  const guest = await Guest.create(configOf(options), hub, { noReboot: options.noReboot, anyBacking: true });
  const terminal = new Terminal(hub, () => void guest.powerOff('ended from the terminal'));
  const control = new ControlServer(controlSubject('guest', guest));
  if (options.control !== undefined) await control.listen(options.control);
  terminal.open();
  try {
    return await runToEnd(guest, control);
  } finally {
    terminal.close();
    await control.close();
  }
}

async function supervised(path: string): Promise<number> {
  // Sockets and files of a guest are its owner's alone.
  process.umask(0o077);
  const config = JSON.parse(await readFile(path, 'utf8')) as GuestConfig;
  const hub = new ConsoleHub();
  const log = new ConsoleLog(config.consoleLog);
  hub.attach((bytes) => log.append(bytes));
  const console = new ConsoleSocket(hub);
  const guest = await Guest.create(config, hub);
  const control = new ControlServer(controlSubject(config.id, guest));
  try {
    await console.listen(config.consoleSocket);
    await control.listen(config.controlSocket);
    await writeFile(`${config.pidFile}.next`, `${process.pid}\n`);
    await rename(`${config.pidFile}.next`, config.pidFile);
    return await runToEnd(guest, control);
  } finally {
    await console.close();
    await control.close();
    log.close();
    await rm(config.pidFile, { force: true });
  }
}

/** Starts the guest and waits for its end; returns the exit code. */
async function runToEnd(guest: Guest, control: ControlServer): Promise<number> {
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
    await guest.close();
  }
  if (guest.state === 'stopped') return EXIT.POWERED_OFF;
  complain(guest.reason ?? 'the guest crashed');
  return EXIT.CRASHED;
}

function configOf(options: EmulatorArguments): GuestConfig {
  return {
    id: 'guest',
    name: 'guest',
    memoryMiB: options.memoryMiB,
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
    })),
    consoleLog: '',
    consoleSocket: '',
    controlSocket: options.control ?? '',
    pidFile: '',
    restoreFrom: options.restore,
  };
}

/** Locally administered, as QEMU's default range would collide with its guests. */
const randomMac = (): string =>
  ['02', ...Array.from(randomBytes(5), (byte) => byte.toString(16).padStart(2, '0'))].join(':');

function complain(message: string): void {
  if (message !== '') writeSync(2, `emulator: ${message}\n`);
}

// Workers and sockets are closed by now; whatever a library still holds does not keep a dead guest's process.
process.exit(await main());
