// One hart's thread. It runs guest code and answers registers; it does no I/O of the host. Once it has its memory it never
// returns to its event loop: mail is read where it is expected.

import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import {
  Board,
  DirtyLog,
  ExitCounts,
  GuestMemory,
  Hart,
  HartRunner,
  hartWords,
  lookAtHart,
  REQUEST,
  Sbi,
  SharedHartLines,
} from '#emulator';
import type {
  Firmware,
  HartAnswer,
  HartRequest,
  HartStopped,
  HartWorkerStart,
  WrittenRegister,
} from './hart-messages.ts';
import { hostTime } from './host-time.ts';

/** Instructions of one slice: 0.1 to 1 ms. */
const SLICE = 320_000;

// A worker ends by being terminated, and would never store what it compiled.
flushCompileCache();

const port = workerData as MessagePort;
const [start] = (await once(port, 'message')) as [HartWorkerStart];
const state = start.state.buffer as unknown as SharedArrayBuffer;
const ram = new GuestMemory(start.ram.buffer as unknown as SharedArrayBuffer);
const log = new DirtyLog(state, ram.size);
ram.onWritten = (offset, length) => log.note(offset, length);
const board = new Board({
  arena: state,
  lines: Array.from({ length: start.harts }, (_, hart) => new SharedHartLines(state, hartWords(hart))),
  slots: start.slots,
  hostTime,
  wallTime: Date.now,
});
const lines = board.lines[start.id]!;
const sbi = new Sbi(board, ram);
const exits = new ExitCounts(board, start.slots);

let firmware: Firmware | undefined;
let runner: HartRunner | undefined;
let hart: Hart | undefined;
let running = false;

/** A hart for this kind of firmware: made at the first reset or restore. */
function runnerFor(wanted: Firmware): HartRunner {
  if (runner === undefined || firmware !== wanted) {
    hart = new Hart({
      id: start.id,
      ram: start.ram,
      state: start.state,
      bus: exits,
      firmware: wanted,
      module: start.module,
      translate: start.translate,
    });
    runner = new HartRunner(hart, board, sbi, exits);
    firmware = wanted;
  }
  runner.begin();
  return runner;
}

function obey(request: HartRequest): HartAnswer {
  switch (request.op) {
    case 'run':
      running = true;
      return {};
    case 'hold':
      running = false;
      return {};
    case 'reset': {
      const { hart } = runnerFor(request.firmware);
      hart.reset(BigInt(request.pc), request.privilege, BigInt(start.id), BigInt(request.a1));
      hart.setX(12, BigInt(request.a2));
      return {};
    }
    case 'restore':
      runnerFor(request.firmware).hart.restore(request.state);
      return {};
    case 'save':
      return { result: runner!.hart.save() };
    case 'counters':
      return { result: hart?.counters() ?? {} };
    case 'look':
      return { result: lookAtHart(hart!, exits) };
    case 'breaks':
      return { result: hart!.setBreaks(request.breakpoints, request.watched) };
    case 'step':
      return { result: step(runner!) };
    case 'write':
      write(hart!, request.register, request.value);
      return {};
  }
}

/** Whether the hart executes at all; one that another hart has not started stays where it is. */
function step(stepped: HartRunner): boolean {
  for (;;) {
    const outcome = stepped.stepInstruction();
    // The request that woke this thread may have been raised again after its mail was read.
    if (outcome !== 'paused') return outcome !== 'stopped' && outcome !== 'halted';
    lines.clearRequest(REQUEST.PAUSE);
  }
}

function write(to: Hart, register: WrittenRegister, value: bigint): void {
  switch (register.kind) {
    case 'x':
      to.setX(register.index, value);
      break;
    case 'f':
      to.setF(register.index, value);
      break;
    case 'pc':
      to.pc = value;
      break;
    case 'privilege':
      to.privilege = Number(value) as 0 | 1 | 3;
      break;
    case 'csr':
      to.setCsr(register.number, value);
      break;
  }
}

function readMail(): void {
  for (;;) {
    // Lowered before looking: a message that comes later raises it again.
    lines.clearRequest(REQUEST.PAUSE);
    const seen = lines.wakes();
    const mail = receiveMessageOnPort(port);
    if (mail === undefined) {
      if (running) return;
      lines.sleep(seen, 10_000);
      continue;
    }
    let answer: HartAnswer;
    try {
      answer = obey(mail.message as HartRequest);
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer);
  }
}

for (;;) {
  if (!running || runner === undefined) {
    readMail();
    continue;
  }
  switch (runner.step(SLICE)) {
    case 'ran':
      break;
    case 'idle':
      runner.park();
      break;
    case 'stopped':
    case 'halted':
      runner.sleep();
      break;
    case 'paused':
      readMail();
      break;
    case 'breakpoint': {
      running = false;
      const stopped: HartStopped = { event: 'breakpoint', hit: hart!.breaks() };
      port.postMessage(stopped);
      break;
    }
  }
}
