// One debugger's session: the commands of the GDB remote serial protocol ("Debugging with GDB", appendix E) against a
// GdbTarget. All-stop mode: when one hart stops, all do. Commands follow each other; Ctrl-C alone is heard while one runs.
//
//   stopped ──vCont, c, s──► running ──breakpoint, step done, Ctrl-C, guest ended──► stopped
//
// What a debugger sends is checked like any input: a command that is wrong gets E01, one that is not known an empty answer.

import { CumuletError, messageOf } from '#base';
import {
  ACK,
  bytesOfHex,
  bytesOfLatin1,
  hexByte,
  hexOf,
  hexOfRegister,
  latin1,
  MAX_PACKET,
  NACK,
  PacketReader,
  packet,
  registerOfHex,
} from './packet.ts';
import { PC_NUMBER, RegisterSet } from './registers.ts';
import type { Action, GdbTarget, Stop, WatchAccess, Watchpoint } from './target.ts';

const OK = 'OK';
const UNKNOWN = '';
const WRONG = 'E01';
const NO_MEMORY = 'E14';
const NO_ROOM = 'E28';

/** Signal numbers as the protocol counts them. */
const SIGINT = 2;
const SIGTRAP = 5;
const SIGABRT = 6;

const WATCH_TYPES: Readonly<Record<string, WatchAccess>> = { 2: 'write', 3: 'read', 4: 'access' };
const WATCH_NAMES: Readonly<Record<WatchAccess, string>> = { write: 'watch', read: 'rwatch', access: 'awatch' };

export class GdbSession {
  readonly #target: GdbTarget;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #end: () => void;
  readonly #reader = new PacketReader();
  readonly #registers: RegisterSet;
  readonly #breakpoints = new Set<bigint>();
  readonly #watchpoints = new Map<string, Watchpoint>();
  #description: string | undefined;
  #acknowledges = true;
  #last: Uint8Array | undefined;
  #tail: Promise<void> = Promise.resolve();
  #running = false;
  #interrupted = false;
  #over = false;
  /** The hart that registers and memory are read of, and the one that `c` and `s` mean. */
  #hart = 0;
  #stopHart = 0;
  #physical = false;

  /** `end` closes the connection: the debugger has left. */
  constructor(target: GdbTarget, send: (bytes: Uint8Array) => void, end: () => void) {
    this.#target = target;
    this.#send = send;
    this.#end = end;
    this.#registers = new RegisterSet(target.csrs);
  }

  /** Resolves when everything that was received so far is answered. */
  get idle(): Promise<void> {
    return this.#tail;
  }

  receive(bytes: Uint8Array): void {
    for (const received of this.#reader.push(bytes)) {
      switch (received.kind) {
        case 'ack':
          break;
        case 'nack':
          if (this.#last !== undefined) this.#send(this.#last);
          break;
        case 'damaged':
          if (this.#acknowledges) this.#send(NACK);
          break;
        case 'interrupt':
          this.#interrupt();
          break;
        case 'packet':
          if (this.#acknowledges) this.#send(ACK);
          this.#next(() => this.#serve(received.data));
          break;
      }
    }
  }

  /** The connection is gone without a word: the guest goes on, as after `detach`. */
  async lost(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await this.#tail;
    await this.#target.detach();
  }

  #next(work: () => Promise<void>): void {
    this.#tail = this.#tail.then(work).catch((error: unknown) => this.#reply(`E.${messageOf(error)}`));
  }

  #reply(data: string): void {
    this.#last = packet(data);
    this.#send(this.#last);
  }

  #interrupt(): void {
    this.#next(async () => {
      // It may have stopped by itself meanwhile: GDB has its answer then.
      if (!this.#running) return;
      this.#interrupted = true;
      await this.#target.pause();
      this.#stopped({ kind: 'interrupt', hart: this.#stopHart });
    });
  }

  #stopped(stop: Stop): void {
    if (!this.#running) return;
    this.#running = false;
    if (stop.kind !== 'ended') {
      this.#stopHart = stop.hart;
      this.#hart = stop.hart;
    }
    this.#reply(stopReply(stop));
  }

  async #serve(data: string): Promise<void> {
    if (this.#running && data !== '?') return; // All-stop: GDB waits for the stop. Whatever else comes is not heard.
    let answer: string | undefined;
    try {
      answer = await this.#answer(data);
    } catch (error) {
      if (!(error instanceof CumuletError)) throw error;
      answer = WRONG;
    }
    if (answer !== undefined) this.#reply(answer);
    if (data === 'QStartNoAckMode') this.#acknowledges = false;
  }

  /** The answer, or undefined: it comes later, or never. */
  async #answer(data: string): Promise<string | undefined> {
    const rest = data.slice(1);
    switch (data[0]) {
      case '?':
        return this.#running ? undefined : stopReply({ kind: 'breakpoint', hart: this.#stopHart }, true);
      case 'g':
        return this.#readGeneral();
      case 'G':
        return this.#writeGeneral(rest);
      case 'p':
        return this.#readRegister(rest);
      case 'P':
        return this.#writeRegister(rest);
      case 'm':
        return this.#readMemory(rest);
      case 'M':
      case 'X':
        return this.#writeMemory(rest, data[0] === 'X');
      case 'H':
        return this.#setThread(rest);
      case 'T': {
        const hart = this.#hartOf(rest);
        return hart === undefined ? WRONG : OK;
      }
      case 'Z':
      case 'z':
        return this.#point(rest, data[0] === 'Z');
      case 'c':
      case 's':
        return this.#goOn(rest, data[0] === 's');
      case 'C':
      case 'S':
        // The signal is for no one: a machine has none.
        return this.#goOn(rest.split(';')[1] ?? '', data[0] === 'S');
      case 'D':
        await this.#leave();
        return undefined;
      case 'k':
        this.#over = true;
        this.#end();
        await this.#target.kill();
        return undefined;
      case 'v':
        return this.#verbose(data);
      case 'q':
        return this.#query(data);
      case 'Q':
        return this.#set(data);
      default:
        return UNKNOWN;
    }
  }

  async #leave(): Promise<void> {
    this.#over = true;
    this.#reply(OK);
    await this.#target.detach();
    this.#end();
  }

  // --- Registers and memory ---

  async #readGeneral(): Promise<string> {
    let text = '';
    for (let number = 0; number <= PC_NUMBER; number++) text += await this.#registerText(number);
    return text;
  }

  async #registerText(number: number): Promise<string> {
    const register = this.#registers.byNumber(number)!;
    return hexOfRegister(await this.#target.readRegister(this.#hart, register), this.#registers.width(register));
  }

  async #writeGeneral(text: string): Promise<string> {
    for (let number = 0; number <= PC_NUMBER; number++) {
      const value = registerOfHex(text.slice(number * 16, number * 16 + 16));
      if (value === undefined) return WRONG;
      if (number > 0) await this.#target.writeRegister(this.#hart, this.#registers.byNumber(number)!, value);
    }
    return OK;
  }

  async #readRegister(text: string): Promise<string> {
    const number = hexNumber(text);
    if (number === undefined || this.#registers.byNumber(number) === undefined) return WRONG;
    return this.#registerText(number);
  }

  async #writeRegister(text: string): Promise<string> {
    const [left, right] = cut(text, '=');
    const number = hexNumber(left);
    const register = number === undefined ? undefined : this.#registers.byNumber(number);
    const value = registerOfHex(right);
    if (register === undefined || value === undefined) return WRONG;
    await this.#target.writeRegister(this.#hart, register, value);
    return OK;
  }

  async #readMemory(text: string): Promise<string> {
    const [address, length] = addressAndLength(text);
    if (address === undefined || length === undefined || length > MAX_PACKET / 2) return WRONG;
    const bytes = await this.#target.readMemory(this.#hart, address, length, this.#physical);
    return bytes === undefined ? NO_MEMORY : hexOf(bytes);
  }

  async #writeMemory(text: string, binary: boolean): Promise<string> {
    const [where, content] = cut(text, ':');
    const [address, length] = addressAndLength(where);
    const bytes = binary ? bytesOfLatin1(content) : bytesOfHex(content);
    if (address === undefined || bytes === undefined || bytes.length !== length) return WRONG;
    if (length === 0) return OK;
    return (await this.#target.writeMemory(this.#hart, address, bytes, this.#physical)) ? OK : NO_MEMORY;
  }

  // --- Threads ---

  #setThread(text: string): string {
    const hart = this.#hartOf(text.slice(1));
    if (hart === undefined) return WRONG;
    if (text[0] === 'g') this.#hart = hart;
    else if (text[0] !== 'c') return WRONG;
    return OK;
  }

  /** 0 and -1, any and all, are the hart that stopped last. */
  #hartOf(text: string): number | undefined {
    if (text === '-1' || text === '0') return this.#stopHart;
    const thread = hexNumber(text);
    return thread === undefined || thread < 1 || thread > this.#target.harts ? undefined : thread - 1;
  }

  // --- Breakpoints ---

  async #point(text: string, insert: boolean): Promise<string> {
    const [type, where] = cut(text, ',');
    const [address, length] = addressAndLength(where.split(';')[0]!);
    if (address === undefined || length === undefined) return WRONG;
    const access = WATCH_TYPES[type];
    if (type === '0' || type === '1') {
      if (insert) this.#breakpoints.add(address);
      else this.#breakpoints.delete(address);
    } else if (access !== undefined) {
      if (length < 1 || length > 4096) return WRONG;
      const key = `${type},${where}`;
      if (insert) this.#watchpoints.set(key, { access, address, length });
      else this.#watchpoints.delete(key);
    } else {
      return UNKNOWN;
    }
    if (await this.#target.setBreakpoints([...this.#breakpoints], [...this.#watchpoints.values()])) return OK;
    this.#breakpoints.delete(address);
    this.#watchpoints.delete(`${type},${where}`);
    await this.#target.setBreakpoints([...this.#breakpoints], [...this.#watchpoints.values()]);
    return NO_ROOM;
  }

  // --- Running ---

  async #goOn(address: string, step: boolean): Promise<string | undefined> {
    if (address !== '') {
      const pc = hexBig(address);
      if (pc === undefined) return WRONG;
      await this.#target.writeRegister(this.#hart, { kind: 'pc' }, pc);
    }
    const actions = Array.from({ length: this.#target.harts }, (_, hart): Action => {
      if (step && hart !== this.#hart) return 'stay';
      return step ? 'step' : 'continue';
    });
    return this.#resume(actions);
  }

  async #resume(actions: readonly Action[]): Promise<string | undefined> {
    const steps = actions.indexOf('step');
    this.#stopHart = steps >= 0 ? steps : this.#stopHart;
    this.#running = true;
    this.#interrupted = false;
    try {
      await this.#target.resume(actions, (stop) => {
        if (!this.#interrupted) this.#stopped(stop);
      });
    } catch (error) {
      this.#running = false;
      throw error;
    }
    return undefined;
  }

  /** vCont;action[:thread];...  The first action that names a hart, or names none, is the hart's. */
  async #continueBy(text: string): Promise<string | undefined> {
    const actions = Array.from({ length: this.#target.harts }, (): Action | undefined => undefined);
    for (const part of text.split(';').slice(1)) {
      const [what, thread] = cut(part, ':');
      const action: Action | undefined = /^(c|C[0-9a-f]{2})$/i.test(what)
        ? 'continue'
        : /^(s|S[0-9a-f]{2})$/i.test(what)
          ? 'step'
          : undefined;
      if (action === undefined) return WRONG;
      if (thread === '' || thread === '-1') {
        for (const [hart, known] of actions.entries()) if (known === undefined) actions[hart] = action;
        continue;
      }
      const hart = this.#hartOf(thread);
      if (hart === undefined) return WRONG;
      actions[hart] ??= action;
    }
    if (actions.every((action) => action === undefined)) return WRONG;
    return this.#resume(actions.map((action) => action ?? 'stay'));
  }

  async #verbose(data: string): Promise<string | undefined> {
    if (data === 'vCont?') return 'vCont;c;C;s;S';
    if (data.startsWith('vCont;')) return this.#continueBy(data);
    if (data.startsWith('vKill')) {
      this.#over = true;
      this.#reply(OK);
      this.#end();
      await this.#target.kill();
      return undefined;
    }
    return UNKNOWN;
  }

  // --- Queries ---

  async #query(data: string): Promise<string> {
    const [name, text] = cut(data, ':');
    switch (name) {
      case 'qSupported':
        return `PacketSize=${MAX_PACKET.toString(16)};qXfer:features:read+;QStartNoAckMode+;vContSupported+;hwbreak+;swbreak+`;
      case 'qAttached':
        return '1';
      case 'qC':
        return `QC${threadId(this.#stopHart)}`;
      case 'qfThreadInfo':
        return `m${Array.from({ length: this.#target.harts }, (_, hart) => threadId(hart)).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qXfer':
        return this.#transfer(text);
      case 'qqemu.PhyMemMode':
        return this.#physical ? '1' : '0';
      case 'qSymbol':
        return OK;
    }
    if (data.startsWith('qThreadExtraInfo,')) {
      const hart = this.#hartOf(data.slice('qThreadExtraInfo,'.length));
      return hart === undefined ? WRONG : hexOf(utf8(await this.#target.describe(hart)));
    }
    if (data.startsWith('qRcmd,')) return this.#monitor(data.slice('qRcmd,'.length));
    return UNKNOWN;
  }

  async #monitor(hex: string): Promise<string> {
    const bytes = bytesOfHex(hex);
    if (bytes === undefined) return WRONG;
    let text: string;
    try {
      text = await this.#target.command(this.#hart, latin1(bytes).trim());
    } catch (error) {
      if (!(error instanceof CumuletError)) throw error;
      text = `${messageOf(error)}\n`;
    }
    // GDB prints what comes in O packets at once, and the answer itself is bounded by the packet.
    const out = utf8(text);
    const room = MAX_PACKET / 2 - 16;
    for (let at = 0; at < out.length; at += room) this.#reply(`O${hexOf(out.subarray(at, at + room))}`);
    return OK;
  }

  /** qXfer:features:read:target.xml:offset,length */
  #transfer(text: string): string {
    const [object, operation, annex, range] = text.split(':');
    if (object !== 'features' || operation !== 'read') return UNKNOWN;
    if (annex !== 'target.xml') return 'E00';
    const [offset, length] = (range ?? '').split(',').map(hexNumber);
    if (offset === undefined || length === undefined) return WRONG;
    this.#description ??= this.#registers.description();
    const part = this.#description.slice(offset, offset + Math.min(length, MAX_PACKET / 2));
    return (offset + part.length < this.#description.length ? 'm' : 'l') + part;
  }

  #set(data: string): string {
    switch (data) {
      case 'QStartNoAckMode':
        return OK;
      case 'Qqemu.PhyMemMode:0':
      case 'Qqemu.PhyMemMode:1':
        this.#physical = data.endsWith('1');
        return OK;
      default:
        return UNKNOWN;
    }
  }
}

/** `first`: GDB asks why the target stands, and takes nothing but a signal for an answer. */
function stopReply(stop: Stop, first = false): string {
  if (stop.kind === 'ended') return stop.crashed ? `X${hexByte(SIGABRT)}` : 'W00';
  const thread = `thread:${threadId(stop.hart)};`;
  if (first) return `T${hexByte(SIGTRAP)}${thread}`;
  switch (stop.kind) {
    case 'interrupt':
      return `T${hexByte(SIGINT)}${thread}`;
    case 'step':
      return `T${hexByte(SIGTRAP)}${thread}`;
    case 'breakpoint':
      return `T${hexByte(SIGTRAP)}${thread}swbreak:;`;
    case 'watchpoint':
      return `T${hexByte(SIGTRAP)}${thread}${WATCH_NAMES[stop.access]}:${stop.address.toString(16)};`;
  }
}

const threadId = (hart: number): string => (hart + 1).toString(16);

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

const hexNumber = (text: string): number | undefined =>
  /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
const hexBig = (text: string): bigint | undefined => (/^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined);

function addressAndLength(text: string): [bigint | undefined, number | undefined] {
  const [address, length] = cut(text, ',');
  return [hexBig(address), hexNumber(length)];
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
