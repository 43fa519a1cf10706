// The border between a guest process and whoever supervises it (the node agent's emulator driver). A guest process reads
// one GuestConfig, listens on its sockets, and outlives its supervisor; either may restart. Guests outlive agents, so the
// control protocol carries a version: a supervisor accepts any version up to its own.
//
// Control socket (Unix stream): one JSON object a line, UTF-8.
//   on connect the guest says  {"hello":"cumulet-guest","version":2,"id":"<guest id>","pid":123,"state":"running"}
//   request                    {"id":7,"method":"pause","params":{...}}
//   answer                     {"id":7,"result":{...}}   or   {"id":7,"error":{"code":"conflict","message":"..."}}
//   event, to all connections  {"event":"state","state":"paused","reason":"..."}
//
//   starting ──► running ◄──► paused        reset: running|paused ──► running
//                   │  ▲         │          stopped: the guest powered off, or was told to; the process exits 0 soon after
//                   ▼  └─resume──┘          crashed: the machine cannot go on (reason says why); the process exits 3
//                stopped | crashed
//
// Console socket (Unix stream): raw bytes both ways; any number of clients see all output, input of all is merged. A new
// client first gets the last 16 KiB of output: the screen that it would see, had it been there.
// Display socket (Unix stream): RFB (RFC 6143) with security type None; any number of viewers, up to a limit.
// Memory socket (Unix stream, while `memory` has opened it): guest RAM by its offset, any number of clients. A request is 16
// bytes, little-endian: u32 operation, u32 length (1 byte to 16 MiB), u64 offset. 1, read: the answer is `length` bytes, also
// while the guest runs. 2, write: `length` bytes follow, and the answer is a u32 0; only while no hart runs. Requests may be sent
// ahead; they are answered in order. Whoever asks for what is not there, or writes at the wrong time, is cut off.
//
// Live migration with these: the destination is a process with `incoming`. On the source `memory`, `dirtyLog start`, copy all of
// RAM; then rounds of `dirtyLog fetch` and copies of the pages it names; `pause`, a last fetch and copy, `saveState`. On the
// destination `restoreState`, `resume`; on the source `powerOff`, or `resume` if it went wrong.
//
// Frame socket (Unix stream, one a NIC): frames with a 4-byte big-endian length before each, as QEMU's `-netdev stream`.
// With framing 'vnet-hdr' each frame starts with a 12-byte virtio_net_hdr. One client at a time; a new one replaces it.

import type { BalloonStats } from '#emulator';

import type { GuestInspection, GuestTranslation, PrivilegeLetter } from './inspection.ts';

/** 2: inspect and translate, balloon. */
export const CONTROL_VERSION = 2;

/** Exit status of a guest process. */
export const EXIT = {
  POWERED_OFF: 0,
  FAILED_TO_START: 1,
  USAGE: 2,
  CRASHED: 3,
  /** What it was given to start is at fault, such as a kernel that is none: it would fail on every host. */
  UNFIT: 4,
} as const;

export type GuestState = 'starting' | 'running' | 'paused' | 'stopped' | 'crashed';

export interface GuestDisk {
  /** Shown to the guest as the virtio-blk serial (20 bytes at most). */
  readonly serial: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly readOnly?: boolean;
  /**
   * The only file that this disk's header may name as its backing file, and so on for that file's own: an image may
   * name any file of the host. Absent: a disk with a backing file is refused.
   */
  readonly backing?: string | readonly string[];
}

export interface GuestNic {
  /** The id of the port that it belongs to. */
  readonly id: string;
  readonly mac: string;
  readonly mtu?: number;
  /** Where the guest process listens for the node's switch. */
  readonly socket: string;
  readonly framing: 'ethernet' | 'vnet-hdr';
  /**
   * The peer reads the virtio-net header: frames may come without checksums and larger than the MTU, and may be sent
   * so. Only with framing 'vnet-hdr'; default false (headers are all zero then, and the work is done in the guest process).
   */
  readonly offloads?: boolean;
}

/** on: hot code is translated; off: all is interpreted. */
export const TRANSLATIONS = ['on', 'off'] as const;
export type Translation = (typeof TRANSLATIONS)[number];

/** A screen with a keyboard and a pointer. */
export interface GuestDisplay {
  /** The size that the guest is told to use; it may choose another. */
  readonly width: number;
  readonly height: number;
  /** Where viewers connect. */
  readonly socket: string;
}

export interface GuestVsock {
  /** Programs of the host connect here and say "CONNECT <port>"; port n of the host is the socket `<socket>_<n>`. */
  readonly socket: string;
  /** The guest's context id, 3 unless told. */
  readonly cid?: number;
}

/** A byte stream between a program of the guest (/dev/virtio-ports/<name>) and one of the host. */
export interface GuestPort {
  readonly name: string;
  /** Where the guest process listens; one client at a time. */
  readonly socket: string;
}

export interface GuestConfig {
  readonly id: string;
  readonly name: string;
  readonly memoryMiB: number;
  readonly harts: number;
  readonly kernel?: string;
  readonly initrd?: string;
  /** Kernel command line. When it names hvc0, the guest has a virtio console, and that is where input goes. */
  readonly append?: string;
  /** M-mode firmware instead of our SBI. */
  readonly bios?: string;
  readonly disks: readonly GuestDisk[];
  readonly nics: readonly GuestNic[];
  /** Absent: no screen, and nothing is paid for one. */
  readonly display?: GuestDisplay;
  readonly vsock?: GuestVsock;
  /** Ports of the virtio console device, in order; 7 at most. */
  readonly ports?: readonly GuestPort[];
  /** Everything that the serial console prints is appended here. */
  readonly consoleLog: string;
  readonly consoleSocket: string;
  readonly controlSocket: string;
  /** Where the process writes its pid, so that it can be found and adopted. */
  readonly pidFile: string;
  /** Folder of a snapshot (made by `save`) to restore from instead of booting. */
  readonly restoreFrom?: string;
  readonly startPaused?: boolean;
  /** Starts as no machine at all, paused: another process sends RAM and state (Memory socket, restoreState). */
  readonly incoming?: boolean;
  /** What becomes of hot code; 'on' unless told. */
  readonly translate?: Translation;
}

/** Methods of the control socket: parameters and results. */
export interface ControlMethods {
  status: { params: Record<string, never>; result: { state: GuestState; reason?: string } };
  pause: { params: Record<string, never>; result: Record<string, never> };
  resume: { params: Record<string, never>; result: Record<string, never> };
  /** Back to power-on: the same disks, the same process. */
  reset: { params: Record<string, never>; result: Record<string, never> };
  /** Presses the power button (a KEY_POWER event); the guest's own init decides. */
  powerButton: { params: Record<string, never>; result: Record<string, never> };
  /** Flushes the disks, then ends the machine and the process. */
  powerOff: { params: Record<string, never>; result: Record<string, never> };
  /**
   * Pauses, writes RAM (sparse) and device state into the folder; `exit` ends the process afterwards. `incremental`: from
   * the second such save to the same folder on, only pages that have changed are written, above what is there. When it
   * fails, the guest goes on as before.
   */
  save: { params: { folder: string; exit?: boolean; incremental?: boolean }; result: { bytes: number } };
  /**
   * The log of pages that are written to. start: from here on none is missed, and what was noted is forgotten. fetch: the pages
   * since the last fetch, base64 of a bit each (page 0 is bit 0 of byte 0), and they are noted no more; what they hold may be read
   * at once. stop: it costs nothing any more.
   */
  dirtyLog: { params: { action: 'start' | 'fetch' | 'stop' }; result: { pages?: string } };
  /** Opens the memory socket at this path, or closes it. */
  memory: { params: { socket?: string }; result: { bytes: number } };
  /** Writes the state of a paused machine, all but RAM, into a file, for restoreState. */
  saveState: { params: { file: string }; result: Record<string, never> };
  /** Makes a process with `incoming` the machine whose RAM was written into it; it stays paused. */
  restoreState: { params: { file: string }; result: Record<string, never> };
  /** 'unsupported' without a virtio console: a serial line has no size. */
  resizeConsole: { params: { columns: number; rows: number }; result: Record<string, never> };
  /** Asks the guest to make do with so much memory; what it gives up goes back to the host. */
  balloon: { params: { memoryMiB: number }; result: Record<string, never> };
  stats: { params: Record<string, never>; result: GuestStats };
  /** Everything about harts and devices, while the guest runs or is paused. 'conflict' before it has started. */
  inspect: { params: Record<string, never>; result: GuestInspection };
  /**
   * The page walk of an address (hex text) by a hart's tables, as its present mode would walk, or another one. 'invalid':
   * there is no such hart.
   */
  translate: { params: { address: string; hart?: number; privilege?: PrivilegeLetter }; result: GuestTranslation };
}

export interface StalledHart {
  readonly id: number;
  readonly pc: string;
  readonly mode: 'U' | 'S' | 'M';
  /** Since its last instruction. */
  readonly milliseconds: number;
}

export interface GuestStats {
  readonly state: GuestState;
  readonly uptimeMs: number;
  /** CPU seconds of the process. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly memoryMiB: number;
  readonly balloon: {
    /** What the guest was asked to make do with, and has left. */
    readonly targetMiB: number;
    readonly memoryMiB: number;
    /** Free memory that the guest has reported on its own and the host has taken back, all in all. */
    readonly reportedMiB: number;
    /** As the guest told when it was last asked; each call asks for the next. */
    readonly guest: BalloonStats;
  };
  readonly harts: readonly Readonly<Record<string, number>>[];
  /** Harts that should execute and have not for seconds, and where they stand. */
  readonly stalled?: readonly StalledHart[];
  readonly disks: readonly { serial: string; reads: number; writes: number; readBytes: number; writeBytes: number }[];
  readonly nics: readonly {
    id: string;
    rxFrames: number;
    txFrames: number;
    rxBytes: number;
    txBytes: number;
    rxDropped: number;
    txDropped: number;
  }[];
}
