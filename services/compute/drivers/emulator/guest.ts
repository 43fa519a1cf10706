// One guest process and the connection to it. Knows how it ended, and why, in words for people.
//
//   (launch | adopt) ──► connected ──► ended        The connection may break while the process lives: it is made again;
//                          │   ▲                    a process that lives and does not answer is ended.
//                          └───┘ reconnect

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CumuletError, messageOf } from '#base';
import { type ControlMethods, EXIT, type GuestState } from '#vmm';
import type { GuestView } from '../../driver.ts';
import { Control } from './control.ts';
import type { GuestLayout } from './layout.ts';
import type { GuestProcess } from './process.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

const REQUEST_MS = 10_000;
/** How long a process that lives may be out of reach before it is ended: its host may be very busy. */
const OUT_OF_REACH_MS = 30_000;

export class Guest {
  readonly id: string;
  readonly layout: GuestLayout;
  readonly process: GuestProcess;
  /** How a process that this agent started ended; undefined for one that was taken over. */
  readonly #exit: Promise<Exit> | undefined;
  #control: Control | undefined;
  #state: GuestState = 'starting';
  #reason = '';
  #ended: GuestView | undefined;
  /** Somebody ends it on purpose and tells the rest. */
  #expected = false;
  #changed: (view: GuestView) => void = () => {};

  constructor(id: string, layout: GuestLayout, parts: { process: GuestProcess; exit?: Promise<Exit> }) {
    this.id = id;
    this.layout = layout;
    this.process = parts.process;
    this.#exit = parts.exit;
  }

  get view(): GuestView {
    if (this.#ended !== undefined) return this.#ended;
    const power = this.#state === 'starting' ? 'running' : this.#state;
    return { power, reason: this.#reason };
  }

  /** Called with each change that was not asked for by end(). */
  onChange(listener: (view: GuestView) => void): void {
    this.#changed = listener;
  }

  /**
   * Waits until the guest executes, or is held. A guest that has ended by then has run: its view says how. Throws when it
   * could not be started, with the reason, or takes too long.
   */
  async connect(milliseconds: number): Promise<void> {
    const deadline = performance.now() + milliseconds;
    let exit: Exit | undefined;
    this.#exit?.then((how) => {
      exit = how;
    });
    for (let pause = 4; ; pause = Math.min(pause * 1.5, 40)) {
      try {
        await this.#attach(Math.max(1, deadline - performance.now()));
        break;
      } catch (error) {
        if (exit !== undefined || !(await this.process.alive()))
          return await this.#endedEarly(exit ?? (await this.#exit));
        if ((error as CumuletError).code === 'unsupported' || performance.now() > deadline) throw error;
        await sleep(pause);
      }
    }
    while (this.#state === 'starting') {
      if (exit !== undefined) return await this.#endedEarly(exit);
      if (performance.now() > deadline) throw new CumuletError('timeout', 'The guest does not finish its start.');
      await sleep(5);
      if (this.#control === undefined && !(await this.process.alive())) {
        return await this.#endedEarly(exit ?? (await this.#exit));
      }
    }
    // Its process is gone, and that is told, before anybody may start it again.
    while ((this.#state === 'crashed' || this.#state === 'stopped') && this.#ended === undefined) await sleep(5);
  }

  /** The version of the control protocol that it speaks. */
  get protocol(): number {
    return this.#control?.hello.version ?? 0;
  }

  /** It lives and did not answer yet: goes on trying, and tells what comes of it. */
  keepTrying(): void {
    void this.#lost();
  }

  request<M extends keyof ControlMethods>(
    method: M,
    params: ControlMethods[M]['params'],
    milliseconds = REQUEST_MS,
  ): Promise<ControlMethods[M]['result']> {
    if (this.#control === undefined)
      return Promise.reject(new CumuletError('unavailable', 'The guest process is gone.'));
    return this.#control.request(method, params, milliseconds);
  }

  /** Asks for a change of state. Its event may come before or after the answer. */
  async ask(method: 'pause' | 'resume' | 'reset', state: 'paused' | 'running'): Promise<void> {
    await this.request(method, {});
    if (this.#state !== 'stopped' && this.#state !== 'crashed') this.#see(state, '');
  }

  /** From now on its end is expected: nobody is told. */
  expectEnd(): void {
    this.#expected = true;
  }

  /** It goes on after all. */
  expectLife(): void {
    this.#expected = false;
  }

  /** The process is gone when this returns. */
  async end(patience: number): Promise<void> {
    this.#expected = true;
    if (patience === 0 || !(await this.process.gone(patience))) await this.process.kill();
    this.#control?.close();
    this.#control = undefined;
  }

  /** Lets go of it; it runs on. */
  release(): void {
    this.#expected = true;
    this.#control?.close();
    this.#control = undefined;
  }

  async #attach(milliseconds: number): Promise<void> {
    const control = await Control.connect(this.layout.control, Math.min(milliseconds, 5000));
    if (control.hello.id !== this.id) {
      control.close();
      throw new CumuletError('internal', `The guest behind ${this.layout.control} is another one.`);
    }
    this.#control = control;
    this.#see(control.hello.state, control.hello.reason ?? '');
    control.onState((state, reason) => {
      this.#see(state, reason);
      if (state !== 'stopped' && state !== 'crashed') this.#tell();
    });
    control.onClose(() => {
      this.#control = undefined;
      void this.#lost();
    });
  }

  #see(state: GuestState, reason: string): void {
    this.#state = state;
    this.#reason = reason;
  }

  #tell(): void {
    if (!this.#expected) this.#changed(this.view);
  }

  /** The connection is gone: so is the process, or it will be, or it has to be reached again. */
  async #lost(): Promise<void> {
    const deadline = performance.now() + OUT_OF_REACH_MS;
    while (!this.#expected && performance.now() < deadline && !(await this.process.gone(200))) {
      if (this.#state === 'stopped' || this.#state === 'crashed') continue;
      try {
        await this.#attach(5000);
        return this.#tell();
      } catch {
        // It may be on its way out.
      }
    }
    if (this.#expected) return;
    let view: GuestView;
    if (await this.process.alive()) {
      await this.process.kill().catch(() => undefined);
      view =
        this.#state === 'stopped'
          ? { power: 'stopped', reason: this.#reason }
          : { power: 'crashed', reason: this.#reason || 'The guest process did not answer any more and was ended.' };
    } else {
      view = await this.#endOf(await this.#exit);
    }
    this.#ended = view;
    this.#tell();
  }

  async #endOf(exit: Exit | undefined): Promise<GuestView> {
    if (this.#state === 'stopped') return { power: 'stopped', reason: this.#reason };
    if (this.#state !== 'crashed' && exit?.code === EXIT.POWERED_OFF) return { power: 'stopped', reason: '' };
    const said = await lastWords(this.layout.log);
    if (this.#state === 'crashed') return { power: 'crashed', reason: this.#reason || said || 'The guest crashed.' };
    if (exit?.code === EXIT.CRASHED && said !== '') return { power: 'crashed', reason: said };
    let how = 'The guest process is gone';
    if (exit?.signal != null) how = `The guest process was ended by ${exit.signal}`;
    else if (exit !== undefined) how = `The guest process ended with code ${exit.code}`;
    return { power: 'crashed', reason: said === '' ? `${how}.` : `${how}: ${said}` };
  }

  /** The process is gone before anybody spoke to it: a short life, or none. */
  async #endedEarly(exit: Exit | undefined): Promise<void> {
    const ran = exit?.code === EXIT.POWERED_OFF || exit?.code === EXIT.CRASHED;
    if (!ran) throw await this.#failure(exit);
    this.#ended = await this.#endOf(exit);
    this.#tell();
  }

  async #failure(exit: Exit | undefined): Promise<CumuletError> {
    const view = await this.#endOf(exit);
    this.#ended = view;
    if (exit?.code === EXIT.UNFIT) {
      return new CumuletError('invalid', `The guest cannot be started: ${await lastWords(this.layout.log)}`);
    }
    return new CumuletError('internal', `The guest did not start. ${view.reason}`);
  }
}

/** What a process said last that tells a person why it ended: the last line that names an error, else the last line. */
export async function lastWords(log: string): Promise<string> {
  const text = await readFile(log, 'utf8').catch((error: unknown) => messageOf(error));
  const lines = text
    .slice(-8192)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(at |Node\.js v)/.test(line));
  const telling = lines.findLast((line) => /error|fatal|cannot|could not/i.test(line));
  return (telling ?? lines.at(-1) ?? '').replace(/^emulator: /, '').slice(0, 500);
}
