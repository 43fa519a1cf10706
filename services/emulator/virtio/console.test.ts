// A console device with named ports. A console alone is in devices.test.ts.

import { describe, expect, it } from 'vitest';
import type { PortBackend } from '../backends.ts';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { VirtioConsole } from './console.ts';
import { decodeControl, EVENT, encodeControl } from './console-control.ts';
import type { Driver } from './driver.ts';
import { Rig } from './rig.ts';

const F_SIZE = 0;
const F_MULTIPORT = 1;
const [CONTROL_IN, CONTROL_OUT] = [2, 3];
const INPUT = 0x10_0000;

class Program implements PortBackend {
  readonly heard: string[] = [];
  send: (bytes: Uint8Array) => boolean = () => true;
  open: (open: boolean) => void = () => undefined;

  write(bytes: Uint8Array): void {
    this.heard.push(new TextDecoder().decode(bytes));
  }
  onInput(receive: (bytes: Uint8Array) => boolean): void {
    this.send = receive;
  }
  onDrain(): void {
    this.heard.push('(drain)');
  }
  onOpen(changed: (open: boolean) => void): void {
    this.open = changed;
  }
  onGuestOpen(open: boolean): void {
    this.heard.push(open ? '(open)' : '(closed)');
  }
}

class Lab {
  readonly programs = [new Program(), new Program()];
  readonly rig: Rig;
  readonly driver: Driver;

  constructor(hasConsole = true) {
    const ports = this.programs.map((backend, i) => ({ name: `org.example.${i}`, backend }));
    const console = hasConsole ? { write: () => undefined, onInput: () => undefined } : undefined;
    this.rig = new Rig([{ type: 'console', console, ports }]);
    this.driver = this.rig.driver(0, 0x20_0000);
    this.driver.start([F_SIZE, F_MULTIPORT], new Array<number>(hasConsole ? 8 : 6).fill(32));
    this.rig.devices.service();
  }

  get device(): VirtioConsole {
    return this.rig.devices.devices[0] as VirtioConsole;
  }

  say(port: number, event: number, value: number): void {
    this.write(CONTROL_OUT, encodeControl(port, event, value));
  }

  write(queue: number, bytes: Uint8Array): void {
    this.rig.ram.bytes.set(bytes, 0x1000);
    this.driver.offer(this.driver.queues[queue]!, [{ at: 0x1000, length: bytes.length }]);
    this.driver.notify(this.driver.queues[queue]!);
    this.rig.devices.service();
  }

  /** Gives a queue buffers and returns what is in them, and in those it had. */
  read(queue: number, buffers = 8): Uint8Array[] {
    const ring = this.driver.queues[queue]!;
    for (let i = 0; i < buffers; i++) {
      const at = INPUT + queue * 0x4000 + (ring.nextDesc % ring.size) * 256;
      this.driver.offer(ring, [{ at, length: 256, writable: true }]);
    }
    this.driver.notify(ring);
    this.rig.devices.service();
    return this.driver.used(ring).map(({ head, length }) => {
      const at = INPUT + queue * 0x4000 + head * 256;
      return this.rig.ram.bytes.slice(at, at + length);
    });
  }

  told(): string[] {
    const names = Object.entries(EVENT);
    return this.read(CONTROL_IN).map((bytes) => {
      const { port, event, value } = decodeControl(bytes);
      const name = names.find(([, number]) => number === event)![0];
      const rest =
        event === EVENT.PORT_NAME ? new TextDecoder().decode(bytes.subarray(8)) : [...bytes.subarray(8)].join();
      return `${port} ${name} ${value}${rest === '' ? '' : ` ${rest}`}`;
    });
  }

  introduced(): this {
    this.say(0, EVENT.DEVICE_READY, 1);
    this.told();
    for (let port = 0; port < 3; port++) this.say(port, EVENT.PORT_READY, 1);
    this.told();
    return this;
  }
}

describe('ports of a console device', () => {
  it('are introduced one after the other, with what each is', () => {
    const lab = new Lab();
    expect(lab.driver.config(4, 4)).toBe(3);
    expect(lab.told()).toEqual([]);
    lab.say(0, EVENT.DEVICE_READY, 1);
    expect(lab.told()).toEqual(['0 PORT_ADD 1', '1 PORT_ADD 1', '2 PORT_ADD 1']);
    lab.say(0, EVENT.PORT_READY, 1);
    expect(lab.told()).toEqual(['0 CONSOLE_PORT 1', '0 RESIZE 0 80,0,25,0', '0 PORT_OPEN 1']);
    lab.say(1, EVENT.PORT_READY, 1);
    expect(lab.told()).toEqual(['1 PORT_NAME 1 org.example.0', '1 PORT_OPEN 0']);
  });

  it('start with the first named one where there is no console', () => {
    const lab = new Lab(false);
    expect(lab.device.resize(10, 10)).toBe(false);
    lab.say(0, EVENT.DEVICE_READY, 1);
    expect(lab.told()).toEqual(['0 PORT_ADD 1', '1 PORT_ADD 1']);
    lab.say(0, EVENT.PORT_READY, 1);
    expect(lab.told()).toEqual(['0 PORT_NAME 1 org.example.0', '0 PORT_OPEN 0']);
    lab.write(1, new TextEncoder().encode('hi'));
    expect(lab.programs[0]!.heard).toEqual(['hi']);
  });

  it('carry bytes both ways, each its own', () => {
    const lab = new Lab().introduced();
    lab.write(5, new TextEncoder().encode('to the first'));
    lab.write(7, new TextEncoder().encode('to the second'));
    expect(lab.programs.map(({ heard }) => heard)).toEqual([['to the first'], ['to the second']]);
    lab.programs[1]!.send(Uint8Array.of(1, 2, 3));
    lab.say(1, EVENT.PORT_OPEN, 1);
    expect([lab.read(4), lab.read(6)]).toEqual([[], []]);
    // What comes to a port before it is opened waits.
    lab.say(2, EVENT.PORT_OPEN, 1);
    expect(lab.read(6)).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  it('tell each end whether there is anyone at the other', () => {
    const lab = new Lab().introduced();
    lab.programs[0]!.open(true);
    expect(lab.told()).toEqual(['1 PORT_OPEN 1']);
    lab.say(1, EVENT.PORT_OPEN, 1);
    lab.say(1, EVENT.PORT_OPEN, 1);
    lab.say(1, EVENT.PORT_OPEN, 0);
    expect(lab.programs[0]!.heard).toEqual(['(open)', '(closed)']);
  });

  it('make a program wait that sends more than the guest reads, and lose nothing', () => {
    const lab = new Lab().introduced();
    const [program] = lab.programs;
    lab.say(1, EVENT.PORT_OPEN, 1);
    const sent = Uint8Array.from({ length: 70_000 }, (_, i) => i);
    expect([program!.send(sent.subarray(0, 40_000)), program!.send(sent.subarray(40_000))]).toEqual([true, false]);
    const got: Uint8Array[] = [];
    while (got.length * 256 < 70_000) got.push(...lab.read(4, 16));
    expect(Buffer.concat(got).equals(Buffer.from(sent))).toBe(true);
    expect(program!.heard).toEqual(['(open)', '(drain)']);
  });

  it('follow the window by a message, the last size only', () => {
    const lab = new Lab().introduced();
    // The buffers that are left from before are used up first.
    const before = lab.told().length;
    expect(before).toBe(0);
    lab.device.resize(100, 40);
    expect(lab.told()).toEqual(['0 RESIZE 0 100,0,40,0']);
  });

  it('do not grow with what a guest asks for and never reads', () => {
    const lab = new Lab();
    for (let i = 0; i < 1000; i++) {
      lab.say(0, EVENT.DEVICE_READY, 1);
      lab.say(1, EVENT.PORT_READY, 1);
    }
    lab.say(99, EVENT.PORT_READY, 1);
    lab.say(1, 77, 1);
    expect(lab.told()).toHaveLength(5);
    expect(lab.driver.needsReset).toBe(false);
  });

  it('need a reset after a message that is cut off', () => {
    const lab = new Lab();
    lab.write(CONTROL_OUT, new Uint8Array(7));
    expect(lab.driver.needsReset).toBe(true);
  });

  it('keep their input and their state over a snapshot', () => {
    const lab = new Lab().introduced();
    lab.say(2, EVENT.PORT_OPEN, 1);
    lab.programs[1]!.send(Uint8Array.of(9, 8));
    const save = ({ rig }: Lab): unknown =>
      JSON.parse(JSON.stringify(saveMachine(rig.board, rig.devices.devices, [], rig.ram.size, 'sbi').devices[0]));
    const state = save(lab);
    expect(state).toMatchObject({ own: { kind: 'virtio-console', version: 1 } });
    const other = new Lab();
    other.rig.ram.bytes.set(lab.rig.ram.bytes);
    other.device.restore(state as never);
    expect(save(other)).toEqual(state);
    expect(other.programs[1]!.heard).toEqual(['(open)']);
    other.driver.queues.splice(0, 8, ...lab.driver.queues);
    other.rig.devices.resume();
    // The driver hears who is at the host's ends now.
    expect(other.told().sort()).toEqual(['0 PORT_OPEN 1', '1 PORT_OPEN 0', '2 PORT_OPEN 0']);
    expect(other.read(6)).toEqual([Uint8Array.of(9, 8)]);
  });
});
