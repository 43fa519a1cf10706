// The pure parts of the guest process: frames on a stream, the console hub, states, the command line.

import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';
import { ConsoleHub } from './console-hub.ts';
import { FrameBatch, FrameReader } from './frame-codec.ts';
import { transition } from './state.ts';

describe('frames on a stream', () => {
  it('come out as they went in, however the stream is cut', () => {
    const frames = Array.from({ length: 20 }, (_, i) => Buffer.alloc(14 + i * 37, i));
    const batch = new FrameBatch();
    for (const frame of frames) expect(batch.add([frame.subarray(0, 5), frame.subarray(5)])).toBe(true);
    const stream = batch.take();
    for (const size of [1, 2, 3, 7, 100, 4096, stream.length]) {
      const reader = new FrameReader(14, 2000);
      const out: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size)
        reader.push(stream.subarray(at, at + size), (frame) => out.push(Buffer.from(frame)));
      expect(out).toEqual(frames);
    }
  });

  it.each([0, 13, 2001, 0xffff_ffff])('of %i bytes end the stream', (length) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length);
    expect(() => new FrameReader(14, 2000).push(header, () => undefined)).toThrow(/bytes \(14 to 2000 are possible\)/);
  });
});

describe('the console hub', () => {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

  it('remembers the end of what was printed, and shows all of it to everyone', () => {
    const hub = new ConsoleHub();
    const serial = hub.device('serial');
    const seen: string[] = [];
    const detach = hub.attach((bytes) => seen.push(text(bytes)));
    serial.write(Buffer.alloc(20_000, 'x'));
    serial.write(Buffer.from('end'));
    detach();
    serial.write(Buffer.from('!'));
    expect([seen.join('').length, text(hub.recent()).length, text(hub.recent()).slice(-5)]).toEqual([
      20_003,
      16_384,
      'xend!',
    ]);
  });

  it('keeps what is typed for a guest that is still starting', () => {
    const hub = new ConsoleHub();
    const typed: string[] = [];
    hub.device('serial').onInput((bytes) => typed.push(text(bytes)));
    hub.type(Buffer.from('early'));
    expect(typed).toEqual([]);
    hub.begin();
    hub.type(Buffer.from('late'));
    expect(typed).toEqual(['early', 'late']);
  });

  it('sends input to hvc0 once the guest prints there, also after a restore', () => {
    const make = (): {
      hub: ConsoleHub;
      typed: string[];
      hvc: ReturnType<ConsoleHub['device']>;
      serial: ReturnType<ConsoleHub['device']>;
    } => {
      const hub = new ConsoleHub();
      const typed: string[] = [];
      const serial = hub.device('serial');
      const hvc = hub.device('hvc0');
      serial.onInput((bytes) => typed.push(`serial ${text(bytes)}`));
      hvc.onInput((bytes) => typed.push(`hvc0 ${text(bytes)}`));
      hub.begin();
      return { hub, typed, hvc, serial };
    };
    const first = make();
    first.hub.type(Buffer.from('1'));
    first.hvc.write(Buffer.from('login: '));
    first.serial.write(Buffer.from('[kernel]'));
    first.hub.type(Buffer.from('2'));
    expect(first.typed).toEqual(['serial 1', 'hvc0 2']);
    const second = make();
    second.hub.restore(JSON.parse(JSON.stringify(first.hub.save())));
    second.hub.type(Buffer.from('3'));
    expect([second.typed, text(second.hub.recent())]).toEqual([['hvc0 3'], 'login: [kernel]']);
  });
});

describe('the states of a guest', () => {
  it('allow what the picture shows and nothing else', () => {
    expect(transition('starting', 'run')).toBe('running');
    expect(transition('starting', 'hold')).toBe('paused');
    expect(transition('paused', 'resume')).toBe('running');
    for (const [state, event] of [
      ['paused', 'pause'],
      ['running', 'resume'],
      ['stopped', 'reset'],
      ['crashed', 'resume'],
      ['starting', 'pause'],
    ] as const) {
      expect(() => transition(state, event)).toThrow(`the guest is ${state}`);
    }
  });
});

describe('the command line', () => {
  it('takes what --help lists', () => {
    const options = parseArguments([
      '--kernel',
      'k',
      '--append=console=ttyS0 quiet',
      '--memory',
      '256M',
      '--harts=2',
      '--disk',
      'a.qcow2',
      '--disk',
      'b.img,ro',
      '--net',
      '/s,mac=02:00:00:00:00:01,framing=vnet-hdr',
      '--no-reboot',
      '--gdb',
      '1234',
      '-S',
    ]);
    expect(options).toMatchObject({
      kernel: 'k',
      append: 'console=ttyS0 quiet',
      memoryMiB: 256,
      harts: 2,
      noReboot: true,
      gdb: { kind: 'tcp', host: '127.0.0.1', port: 1234 },
      gdbWait: true,
      disks: [
        { path: 'a.qcow2', format: 'qcow2', readOnly: false },
        { path: 'b.img', format: 'raw', readOnly: true },
      ],
      nets: [{ socket: '/s', mac: '02:00:00:00:00:01', framing: 'vnet-hdr' }],
    });
  });

  it.each([
    [[], /--kernel or --bios is missing/],
    [['--kernel'], /--kernel needs a value/],
    [['--kernel', 'k', '--kernel', 'j'], /given twice/],
    [['--memory', 'much', '--kernel', 'k'], /whole number, not "much"/],
    [['k'], /no option k/],
    [['--kernel', 'k', '--net', '/s,speed=9'], /no option speed=9/],
    [['--kernel', 'k', '--gdb', 'here'], /--gdb takes/],
    [['--kernel', 'k', '--gdb', '70000'], /--gdb takes/],
    [['--kernel', 'k', '--gdb-wait'], /--gdb-wait needs --gdb/],
  ])('refuses %j with a reason', (argv, reason) => {
    expect(() => parseArguments(argv)).toThrow(reason);
  });
});
