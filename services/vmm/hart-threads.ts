// The harts' workers, as the I/O thread sees them. Workers start before anything else is known: a thread takes as long
// to start as the rest of the program, so both do at the same time. This module loads no other for the same reason.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { BreakHit, Entry, HartLook, HartStateV1, WatchedBytes } from '#emulator';
import type {
  Firmware,
  HartAnswer,
  HartRequest,
  HartStopped,
  HartWorkerStart,
  WrittenRegister,
} from './hart-messages.ts';

interface HartThread {
  readonly worker: Worker;
  readonly port: MessagePort;
  /** Who waits for the next answer, in order. */
  readonly waiting: { resolve: (answer: HartAnswer) => void; reject: (error: Error) => void }[];
}

export class HartThreads {
  readonly #threads: HartThread[];
  #wake: (hart: number) => void = () => undefined;
  #failed: (why: string) => void = () => undefined;
  #broke: (hart: number, hit: BreakHit) => void = () => undefined;
  #failure: string | undefined;
  #ended = false;

  /** Starts `harts` workers. They wait for begin(). */
  constructor(harts: number) {
    this.#threads = Array.from({ length: harts }, (_, id) => {
      const { port1, port2 } = new MessageChannel();
      const url = new URL('./hart-worker.ts', import.meta.url);
      const worker = new Worker(url, { workerData: port2, transferList: [port2] });
      const thread: HartThread = { worker, port: port1, waiting: [] };
      port1.on('message', (message: HartAnswer | HartStopped) => {
        if ('event' in message) this.#broke(id, message.hit);
        else thread.waiting.shift()?.resolve(message);
      });
      worker.on('error', (error) => {
        this.#died(thread, `hart ${id} failed: ${error instanceof Error ? error.message : String(error)}`);
      });
      worker.on('exit', (code) => this.#died(thread, `the thread of hart ${id} ended with code ${code}`));
      return thread;
    });
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Gives the workers their memory; they are held. `wake` makes a hart read its mail; `failed` hears of a worker's death. */
  begin(starts: readonly HartWorkerStart[], wake: (hart: number) => void, failed: (why: string) => void): void {
    for (const [id, start] of starts.entries()) this.#threads[id]!.port.postMessage(start);
    this.#wake = wake;
    this.#failed = failed;
    if (this.#failure !== undefined) failed(this.#failure);
  }

  run(): Promise<unknown> {
    return this.#all({ op: 'run' });
  }

  /** Resolves when no hart executes any more. */
  hold(): Promise<unknown> {
    return this.#all({ op: 'hold' });
  }

  reset(firmware: Firmware, entry: Entry): Promise<unknown> {
    const hex = (value: number): string => `0x${value.toString(16)}`;
    const { pc, privilege, dtb, dynamicInfo } = entry;
    return this.#all({ op: 'reset', firmware, pc: hex(pc), privilege, a1: hex(dtb), a2: hex(dynamicInfo) });
  }

  async restore(firmware: Firmware, states: readonly HartStateV1[]): Promise<void> {
    await Promise.all(states.map((state, hart) => this.#ask(hart, { op: 'restore', firmware, state })));
  }

  async save(): Promise<HartStateV1[]> {
    return (await this.#all({ op: 'save' })) as HartStateV1[];
  }

  async counters(): Promise<Readonly<Record<string, number>>[]> {
    return (await this.#all({ op: 'counters' })) as Readonly<Record<string, number>>[];
  }

  /** Hears of each hart that meets a breakpoint; it is held then, and the others are not. */
  onBreak(broke: (hart: number, hit: BreakHit) => void): void {
    this.#broke = broke;
  }

  runSome(harts: readonly number[]): Promise<unknown> {
    return Promise.all(harts.map((hart) => this.#ask(hart, { op: 'run' })));
  }

  async look(): Promise<HartLook[]> {
    return (await this.#all({ op: 'look' })) as HartLook[];
  }

  /** False: more than a hart has room for. */
  async setBreaks(breakpoints: readonly bigint[], watched: readonly WatchedBytes[]): Promise<boolean> {
    return (await this.#all({ op: 'breaks', breakpoints, watched })).every((taken) => taken === true);
  }

  /** False: the hart executes nothing now. */
  async step(hart: number): Promise<boolean> {
    return (await this.#ask(hart, { op: 'step' })) as boolean;
  }

  async write(hart: number, register: WrittenRegister, value: bigint): Promise<void> {
    await this.#ask(hart, { op: 'write', register, value });
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #all(request: HartRequest): Promise<HartAnswer['result'][]> {
    return Promise.all(this.#threads.map((_, hart) => this.#ask(hart, request)));
  }

  async #ask(hart: number, request: HartRequest): Promise<HartAnswer['result']> {
    if (this.#failure !== undefined) throw new Error(this.#failure);
    const thread = this.#threads[hart]!;
    const answer = await new Promise<HartAnswer>((resolve, reject) => {
      thread.waiting.push({ resolve, reject });
      thread.port.postMessage(request);
      this.#wake(hart);
    });
    if (answer.error !== undefined) throw new Error(`hart ${hart}: ${answer.error}`);
    return answer.result;
  }

  #died(thread: HartThread, why: string): void {
    this.#failure ??= why;
    for (const { reject } of thread.waiting.splice(0)) reject(new Error(why));
    if (!this.#ended) this.#failed(why);
  }
}
