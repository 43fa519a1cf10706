// The harts' workers, as the I/O thread sees them.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type HartLines, type HartStateV1, REQUEST } from '#emulator';
import type { Firmware, HartAnswer, HartRequest, HartWorkerStart } from './hart-messages.ts';

interface HartThread {
  readonly worker: Worker;
  readonly port: MessagePort;
  /** Who waits for the next answer, in order. */
  readonly waiting: { resolve: (answer: HartAnswer) => void; reject: (error: Error) => void }[];
}

export class HartThreads {
  readonly #threads: HartThread[];
  readonly #lines: readonly HartLines[];
  #ended = false;

  /** Starts a worker for each hart; they are held. `failed` is called when one dies. */
  constructor(starts: readonly HartWorkerStart[], lines: readonly HartLines[], failed: (why: string) => void) {
    this.#lines = lines;
    this.#threads = starts.map((start) => {
      const { port1, port2 } = new MessageChannel();
      const worker = new Worker(new URL('./hart-worker.ts', import.meta.url), {
        workerData: { start, port: port2 },
        transferList: [port2],
      });
      const thread: HartThread = { worker, port: port1, waiting: [] };
      port1.on('message', (answer: HartAnswer) => thread.waiting.shift()?.resolve(answer));
      const died = (why: string): void => {
        for (const { reject } of thread.waiting.splice(0)) reject(new Error(why));
        if (!this.#ended) failed(why);
      };
      worker.on('error', (error) =>
        died(`hart ${start.id} failed: ${error instanceof Error ? error.message : String(error)}`),
      );
      worker.on('exit', (code) => died(`the thread of hart ${start.id} ended with code ${code}`));
      return thread;
    });
  }

  run(): Promise<unknown> {
    return this.#all({ op: 'run' });
  }

  /** Resolves when no hart executes any more. */
  hold(): Promise<unknown> {
    return this.#all({ op: 'hold' });
  }

  reset(firmware: Firmware, pc: number, privilege: 1 | 3, a1: number): Promise<unknown> {
    return this.#all({ op: 'reset', firmware, pc: `0x${pc.toString(16)}`, privilege, a1: `0x${a1.toString(16)}` });
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

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #all(request: HartRequest): Promise<HartAnswer['result'][]> {
    return Promise.all(this.#threads.map((_, hart) => this.#ask(hart, request)));
  }

  async #ask(hart: number, request: HartRequest): Promise<HartAnswer['result']> {
    const thread = this.#threads[hart]!;
    const answer = await new Promise<HartAnswer>((resolve, reject) => {
      thread.waiting.push({ resolve, reject });
      thread.port.postMessage(request);
      this.#lines[hart]!.request(REQUEST.PAUSE);
    });
    if (answer.error !== undefined) throw new Error(`hart ${hart}: ${answer.error}`);
    return answer.result;
  }
}
