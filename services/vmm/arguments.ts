// The command line of `bin/emulator`. Pure: text in, options out.

import { CumuletError } from '#base';
import { TRANSLATIONS, type Translation } from './contract.ts';
import { type GdbAddress, parseGdbAddress } from './gdb/address.ts';

export interface EmulatorNet {
  readonly socket: string;
  readonly mac?: string;
  readonly framing: 'ethernet' | 'vnet-hdr';
  readonly offloads?: boolean;
}

export interface EmulatorArguments {
  readonly help: boolean;
  readonly guest?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly memoryMiB: number;
  readonly harts: number;
  readonly disks: readonly { path: string; format: 'raw' | 'qcow2'; readOnly: boolean }[];
  readonly nets: readonly EmulatorNet[];
  readonly ports: readonly { name: string; socket: string }[];
  readonly vsock?: { socket: string; cid?: number };
  readonly display?: { width: number; height: number };
  readonly vnc?: { host: string; port: number };
  readonly control?: string;
  readonly restore?: string;
  readonly noReboot: boolean;
  /** One thread, no clock of the host, no entropy of the host: the same seed gives the same run. */
  readonly deterministic?: { readonly seed: number; readonly instructions: number };
  readonly translate: Translation;
  readonly gdb?: GdbAddress;
  /** The guest stands at its first instruction until a debugger lets it go. */
  readonly gdbWait: boolean;
}

export const HELP = `emulator: runs a riscv64 guest (a board like QEMU's "virt"), its console on stdin and stdout.

  emulator --kernel Image [--initrd rootfs.cpio.gz] [--append "console=ttyS0"] [options]
  emulator --bios firmware.elf [--kernel Image] [options]
  emulator --guest config.json       supervised: sockets and files as the config says

  --kernel FILE      a Linux Image (also gzipped) or a vmlinux ELF, started in S-mode
  --initrd FILE      its initial RAM disk
  --append TEXT      its command line
  --bios FILE        M-mode software (ELF, or flat at 0x80000000) instead of the built-in SBI; --kernel is then what it
                     starts: a kernel, or a flat program such as U-Boot
  --memory MIB       512 unless told (16 to 3584)
  --harts N          1 unless told (1 to 8)
  --disk FILE        a disk, raw or .qcow2 by its name; FILE,ro for a read-only one; may be repeated
  --net SOCKET       a NIC whose frames a switch fetches from this Unix socket (as QEMU's -netdev stream);
                     SOCKET,mac=02:00:00:00:00:01,framing=vnet-hdr,offloads=on; may be repeated.
                     With offloads=on the switch takes large sends and frames without checksums
  --gpu WxH          a screen, a keyboard and a pointer: --gpu 1024x768
  --port NAME=SOCKET a named byte stream: the port NAME of the virtio console in the guest (/dev/virtio-ports/NAME where
                     there is udev), this Unix socket on the host; up to seven times
  --vsock SOCKET     a vsock: connect to this Unix socket and say "CONNECT port" to reach a port of the guest; a port n of
                     the host (CID 2) is the socket SOCKET_n. SOCKET,cid=7 for a context id other than 3
  --vnc HOST:PORT    serve the screen to VNC viewers there, without a password (implies --gpu; port 0: any free one)
  --control SOCKET   listen for control requests here (pause, save, stats ...)
  --restore FOLDER   go on from a saved machine
  --translate MODE   on (hot code becomes WebAssembly; unless told), or off (all is interpreted). With --deterministic
                     both print the same hash
  --no-reboot        end when the guest reboots
  --deterministic    all harts on one thread, time and entropy from the seed: the same run each time. Its last line
                     is a hash of all that the harts did. No --net, --control,
                     --restore, --gdb
  --seed N           of --deterministic: which run (0 unless told)
  --instructions N   of --deterministic: end after about as many
  --gdb ADDRESS      a debugger may connect here: [host:]port (loopback unless told; 0: any free port) or a socket's path
  --gdb-wait, -S     stand at the first instruction until the debugger says "continue"
  --help             this text

Ctrl-A x ends the guest at once, Ctrl-A Ctrl-A types a Ctrl-A.
Exit codes: 0 the guest powered off, 1 it could not be started here, 2 wrong usage, 3 it crashed, 4 what it was given
cannot be started anywhere (a kernel that is none, too little memory).
`;

const wrong = (why: string): never => {
  throw new CumuletError('invalid', `${why} (emulator --help lists the options)`);
};

export function parseArguments(argv: readonly string[]): EmulatorArguments {
  const values = new Map<string, string>();
  const disks: { path: string; format: 'raw' | 'qcow2'; readOnly: boolean }[] = [];
  const nets: EmulatorNet[] = [];
  const ports: { name: string; socket: string }[] = [];
  let help = false;
  let noReboot = false;
  let deterministic = false;
  let gdbWait = false;
  for (let i = 0; i < argv.length; i++) {
    const [name, inline] = split(argv[i]!);
    if (name === '--help' || name === '-h') {
      help = true;
      continue;
    }
    if (name === '--gdb-wait' || name === '-S') {
      gdbWait = true;
      continue;
    }
    if (name === '--no-reboot') {
      noReboot = true;
      continue;
    }
    if (name === '--deterministic') {
      deterministic = true;
      continue;
    }
    if (!VALUED.has(name)) wrong(`there is no option ${argv[i]}`);
    const value = inline ?? argv[++i] ?? wrong(`${name} needs a value`);
    if (name === '--disk') disks.push(disk(value));
    else if (name === '--net') nets.push(net(value));
    else if (name === '--port') ports.push(port(value));
    else if (values.has(name)) wrong(`${name} is given twice`);
    else values.set(name, value);
  }
  const guest = values.get('--guest');
  const gpu = values.get('--gpu');
  const vnc = values.get('--vnc');
  if (!help && guest === undefined && !values.has('--kernel') && !values.has('--bios') && !values.has('--restore'))
    wrong('--kernel or --bios is missing');
  for (const name of ['--net', '--control', '--restore', '--guest', '--gdb'])
    if (deterministic && (values.has(name) || (name === '--net' && nets.length > 0)))
      wrong(`${name} cannot go with --deterministic`);
  for (const name of ['--seed', '--instructions'])
    if (!deterministic && values.has(name)) wrong(`${name} goes with --deterministic`);
  const gdbText = values.get('--gdb');
  if (gdbWait && gdbText === undefined) wrong('--gdb-wait needs --gdb: nobody could let the guest go');
  return {
    help,
    guest,
    kernel: values.get('--kernel'),
    initrd: values.get('--initrd'),
    append: values.get('--append'),
    bios: values.get('--bios'),
    memoryMiB: whole('--memory', values.get('--memory') ?? '512'),
    harts: whole('--harts', values.get('--harts') ?? '1'),
    disks,
    nets,
    ports,
    vsock: values.has('--vsock') ? vsock(values.get('--vsock')!) : undefined,
    display: gpu !== undefined ? screenSize(gpu) : vnc !== undefined ? DEFAULT_SCREEN : undefined,
    vnc: vnc === undefined ? undefined : address(vnc),
    control: values.get('--control'),
    restore: values.get('--restore'),
    noReboot,
    deterministic: deterministic
      ? {
          seed: whole('--seed', values.get('--seed') ?? '0'),
          instructions: values.has('--instructions')
            ? whole('--instructions', values.get('--instructions')!)
            : Number.POSITIVE_INFINITY,
        }
      : undefined,
    translate: translation(values.get('--translate') ?? 'on'),
    gdb: gdbText === undefined ? undefined : gdbAddress(gdbText),
    gdbWait,
  };
}

const DEFAULT_SCREEN = { width: 1024, height: 768 };

const VALUED = new Set([
  '--guest',
  '--kernel',
  '--initrd',
  '--append',
  '--bios',
  '--memory',
  '--harts',
  '--disk',
  '--net',
  '--gpu',
  '--vnc',
  '--vsock',
  '--port',
  '--control',
  '--restore',
  '--seed',
  '--instructions',
  '--translate',
  '--gdb',
]);

function split(argument: string): [string, string | undefined] {
  const at = argument.indexOf('=');
  return argument.startsWith('--') && at > 0 ? [argument.slice(0, at), argument.slice(at + 1)] : [argument, undefined];
}

function whole(name: string, text: string): number {
  const digits = /^(\d+)(M|MiB)?$/.exec(text)?.[1];
  return digits === undefined ? wrong(`${name} takes a whole number, not "${text}"`) : Number(digits);
}

function translation(text: string): Translation {
  return TRANSLATIONS.find((mode) => mode === text) ?? wrong(`--translate takes on or off, not "${text}"`);
}
const gdbAddress = (text: string): GdbAddress =>
  parseGdbAddress(text) ?? wrong(`--gdb takes [host:]port or the path of a socket, not "${text}"`);

function screenSize(text: string): { width: number; height: number } {
  const match = /^(\d{2,4})x(\d{2,4})$/.exec(text) ?? wrong(`--gpu takes a size such as 1024x768, not "${text}"`);
  return { width: Number(match[1]), height: Number(match[2]) };
}

function address(text: string): { host: string; port: number } {
  const match = /^(.*):(\d+)$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) wrong(`--vnc takes HOST:PORT, not "${text}"`);
  return { host: match![1]!.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1', port };
}

function disk(text: string): { path: string; format: 'raw' | 'qcow2'; readOnly: boolean } {
  const readOnly = text.endsWith(',ro');
  const path = readOnly ? text.slice(0, -3) : text;
  if (path === '') wrong('--disk needs a file');
  return { path, readOnly, format: path.endsWith('.qcow2') ? 'qcow2' : 'raw' };
}

function port(text: string): { name: string; socket: string } {
  const [, name, socket] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || socket === undefined) return wrong(`--port takes NAME=SOCKET, not "${text}"`);
  return { name, socket };
}

function vsock(text: string): { socket: string; cid?: number } {
  const [, socket, cid] = /^(.*?)(?:,cid=(\d+))?$/.exec(text) ?? [];
  if (socket === undefined || socket === '') return wrong('--vsock needs the path of a socket');
  return cid === undefined ? { socket } : { socket, cid: Number(cid) };
}

function net(text: string): EmulatorNet {
  const [socket, ...options] = text.split(',');
  if (socket === undefined || socket === '') wrong('--net needs the path of a socket');
  let mac: string | undefined;
  let framing: 'ethernet' | 'vnet-hdr' = 'ethernet';
  let offloads: boolean | undefined;
  for (const option of options) {
    const value = option.slice(option.indexOf('=') + 1);
    if (option.startsWith('mac=')) mac = value;
    else if (option === 'framing=ethernet' || option === 'framing=vnet-hdr') framing = value as 'ethernet' | 'vnet-hdr';
    else if (option === 'offloads=on' || option === 'offloads=off') offloads = value === 'on';
    else wrong(`--net has no option ${option}`);
  }
  if (offloads === true && framing !== 'vnet-hdr') wrong('--net offloads=on needs framing=vnet-hdr');
  return offloads === undefined ? { socket: socket!, mac, framing } : { socket: socket!, mac, framing, offloads };
}
