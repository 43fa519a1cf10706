import { describe, expect, test } from 'vitest';
import { CumuletError } from '#base';
import { bytesOfLatin1, latin1, PacketReader, packet } from './packet.ts';
import type { Register } from './registers.ts';
import { GdbSession } from './session.ts';
import type { Action, GdbTarget, Stop, Watchpoint } from './target.ts';

const BASE = 0x8000_0000n;

/** Two harts that execute nothing, with 64 KiB of memory; what is asked of them is written down. */
class PretendTarget implements GdbTarget {
  readonly harts = 2;
  readonly csrs = [
    { name: 'fflags', number: 1 },
    { name: 'satp', number: 0x180 },
  ];
  readonly memory = new Uint8Array(0x1_0000);
  readonly registers = new Map<string, bigint>();
  readonly log: string[] = [];
  breakpoints: readonly bigint[] = [];
  watchpoints: readonly Watchpoint[] = [];
  stopped: ((stop: Stop) => void) | undefined;

  async describe(hart: number): Promise<string> {
    return `hart ${hart}`;
  }
  async readRegister(hart: number, register: Register): Promise<bigint> {
    return this.registers.get(JSON.stringify([hart, register])) ?? 0n;
  }
  async writeRegister(hart: number, register: Register, value: bigint): Promise<void> {
    if (register.kind === 'privilege' && value > 3n) throw new CumuletError('invalid', 'no such privilege');
    this.registers.set(JSON.stringify([hart, register]), value);
  }
  async readMemory(_hart: number, address: bigint, length: number): Promise<Uint8Array | undefined> {
    const at = Number(address - BASE);
    return at < 0 || at + length > this.memory.length ? undefined : this.memory.slice(at, at + length);
  }
  async writeMemory(_hart: number, address: bigint, bytes: Uint8Array): Promise<boolean> {
    const at = Number(address - BASE);
    if (at < 0 || at + bytes.length > this.memory.length) return false;
    this.memory.set(bytes, at);
    return true;
  }
  async setBreakpoints(addresses: readonly bigint[], watchpoints: readonly Watchpoint[]): Promise<boolean> {
    if (addresses.length > 3) return false;
    this.breakpoints = addresses;
    this.watchpoints = watchpoints;
    return true;
  }
  async pause(): Promise<void> {
    this.log.push('pause');
  }
  async resume(actions: readonly Action[], stopped: (stop: Stop) => void): Promise<void> {
    this.log.push(actions.join(' '));
    this.stopped = stopped;
  }
  async detach(): Promise<void> {
    this.log.push('detach');
  }
  async kill(): Promise<void> {
    this.log.push('kill');
  }
  async command(_hart: number, text: string): Promise<string> {
    if (text === 'long') return 'x'.repeat(100_000);
    if (text === 'wrong') throw new CumuletError('invalid', 'no such command');
    return `did ${text}`;
  }
}

class Peer {
  readonly target = new PretendTarget();
  readonly session: GdbSession;
  readonly sent: string[] = [];
  ended = false;
  readonly #reader = new PacketReader();

  constructor() {
    this.session = new GdbSession(
      this.target,
      (bytes) => {
        for (const received of this.#reader.push(bytes)) if (received.kind === 'packet') this.sent.push(received.data);
      },
      () => {
        this.ended = true;
      },
    );
  }

  async send(data: string): Promise<string[]> {
    this.session.receive(packet(data));
    await this.session.idle;
    return this.sent.splice(0);
  }
}

const le = (value: bigint): string =>
  Array.from({ length: 8 }, (_, i) =>
    Number((value >> BigInt(8 * i)) & 255n)
      .toString(16)
      .padStart(2, '0'),
  ).join('');

describe('a debugging session', () => {
  test('tells its threads, its features and its registers', async () => {
    const peer = new Peer();
    expect((await peer.send('qSupported:swbreak+'))[0]).toContain('qXfer:features:read+');
    expect(await peer.send('?')).toEqual(['T05thread:1;']);
    expect(await peer.send('qfThreadInfo')).toEqual(['m1,2']);
    expect(await peer.send('qThreadExtraInfo,2')).toEqual(['686172742031']);
    expect(await peer.send('T3')).toEqual(['E01']);
    let xml = '';
    for (let at = 0; ; at += 0x100) {
      const [part] = await peer.send(`qXfer:features:read:target.xml:${at.toString(16)},100`);
      xml += part!.slice(1);
      if (part![0] === 'l') break;
    }
    expect(xml).toMatch(/<reg name="satp" bitsize="64" regnum="449"\/>/);
    expect(xml).toMatch(/<reg name="fflags" bitsize="32" regnum="66"/);
    expect(xml.match(/<reg /g)).toHaveLength(32 + 1 + 32 + 1 + 1 + 1);
  });

  test('reads and writes registers of the hart that was chosen', async () => {
    const peer = new Peer();
    await peer.send('Hg2');
    expect(await peer.send(`P5=${le(0x1234n)}`)).toEqual(['OK']);
    expect(await peer.send('p5')).toEqual([le(0x1234n)]);
    expect((await peer.send('g'))[0]!.slice(5 * 16, 6 * 16)).toBe(le(0x1234n));
    expect((await peer.send('g'))[0]).toHaveLength(33 * 16);
    await peer.send('Hg1');
    expect(await peer.send('p5')).toEqual([le(0n)]);
    expect(await peer.send('p42')).toEqual(['00000000']);
    expect(await peer.send('pffff')).toEqual(['E01']);
    expect(await peer.send(`P1041=${le(9n)}`)).toEqual(['E01']);
    expect(await peer.send(`G${le(7n).repeat(33)}`)).toEqual(['OK']);
    expect(await peer.send('p20')).toEqual([le(7n)]);
  });

  test('reads and writes memory, and refuses what is not there', async () => {
    const peer = new Peer();
    expect(await peer.send('M80000004,3:010203')).toEqual(['OK']);
    expect(await peer.send('m80000004,3')).toEqual(['010203']);
    expect(await peer.send('X80000004,2:$#')).toEqual(['OK']);
    expect(await peer.send('m80000004,2')).toEqual(['2423']);
    expect(await peer.send('m0,4')).toEqual(['E14']);
    expect(await peer.send('M80000004,4:010203')).toEqual(['E01']);
    expect(await peer.send('m80000004,ffffffff')).toEqual(['E01']);
  });

  test('keeps breakpoints and watchpoints, and forgets one that finds no room', async () => {
    const peer = new Peer();
    expect(await peer.send('Z0,80000010,4')).toEqual(['OK']);
    expect(await peer.send('Z1,80000020,4')).toEqual(['OK']);
    expect(await peer.send('Z2,80000100,8')).toEqual(['OK']);
    expect(peer.target.breakpoints).toEqual([BASE + 0x10n, BASE + 0x20n]);
    expect(peer.target.watchpoints).toEqual([{ access: 'write', address: BASE + 0x100n, length: 8 }]);
    await peer.send('Z0,80000030,4');
    expect(await peer.send('Z0,80000040,4')).toEqual(['E28']);
    expect(peer.target.breakpoints).toHaveLength(3);
    await peer.send('z0,80000010,4');
    await peer.send('z2,80000100,8');
    expect([peer.target.breakpoints.length, peer.target.watchpoints.length]).toEqual([2, 0]);
    expect(await peer.send('Z9,80000010,4')).toEqual(['']);
  });

  test('goes on as vCont says, and answers when it stops', async () => {
    const peer = new Peer();
    expect(await peer.send('vCont?')).toEqual(['vCont;c;C;s;S']);
    expect(await peer.send('vCont;s:2;c')).toEqual([]);
    expect(peer.target.log).toEqual(['continue step']);
    // It runs: nothing is answered until it stops.
    expect(await peer.send('m80000000,4')).toEqual([]);
    peer.target.stopped!({ kind: 'step', hart: 1 });
    expect(peer.sent.splice(0)).toEqual(['T05thread:2;']);
    await peer.send('vCont;s:1');
    expect(peer.target.log.at(-1)).toBe('step stay');
    peer.target.stopped!({ kind: 'watchpoint', hart: 0, access: 'write', address: BASE });
    expect(peer.sent.splice(0)).toEqual(['T05thread:1;watch:80000000;']);
    await peer.send('c');
    peer.target.stopped!({ kind: 'ended', crashed: false });
    expect(peer.sent.splice(0)).toEqual(['W00']);
    expect(await peer.send('vCont;x')).toEqual(['E01']);
    expect(await peer.send('vCont;c:9')).toEqual(['E01']);
  });

  test('is interrupted by Ctrl-C while it runs, and not else', async () => {
    const peer = new Peer();
    peer.session.receive(Uint8Array.of(3));
    await peer.session.idle;
    expect(peer.target.log).toEqual([]);
    await peer.send('c');
    peer.session.receive(Uint8Array.of(3));
    await peer.session.idle;
    expect(peer.sent.splice(0)).toEqual(['T02thread:1;']);
    expect(peer.target.log).toEqual(['continue continue', 'pause']);
  });

  test('lets the guest go on when it leaves, says so or not, and kills it when told to', async () => {
    const detached = new Peer();
    expect(await detached.send('D')).toEqual(['OK']);
    await detached.session.lost();
    expect([detached.target.log, detached.ended]).toEqual([['detach'], true]);
    const lost = new Peer();
    await lost.session.lost();
    expect(lost.target.log).toEqual(['detach']);
    const killed = new Peer();
    await killed.send('k');
    expect([killed.target.log, killed.ended]).toEqual([['kill'], true]);
  });

  test('carries commands for the machine, long answers in parts', async () => {
    const peer = new Peer();
    const text = (parts: string[]): string =>
      parts
        .filter((part) => part.startsWith('O') && part !== 'OK')
        .map((part) => Buffer.from(part.slice(1), 'hex').toString())
        .join('');
    const command = async (name: string): Promise<string> =>
      text(await peer.send(`qRcmd,${Buffer.from(name).toString('hex')}`));
    expect(await command('reset')).toBe('did reset');
    expect(await command('wrong')).toBe('no such command\n');
    expect(await command('long')).toHaveLength(100_000);
  });

  test('lives through any command', async () => {
    const peer = new Peer();
    let state = 7;
    const pick = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const letters = 'gGpPmMXHTZzcsCSvqQ?!DkABFftR';
    const more = '0123456789abcdefx,:;=-+#$}* \x00\xffvContsqXferfeaturesread';
    for (let round = 0; round < 3000; round++) {
      const data = `${letters[pick(letters.length)]}${Array.from({ length: pick(24) }, () => more[pick(more.length)]).join('')}`;
      peer.session.receive(packet(data));
      await peer.session.idle;
      peer.target.stopped?.({ kind: 'interrupt', hart: 0 });
    }
    peer.session.receive(bytesOfLatin1('$qC#b4'));
    await peer.session.idle;
    expect(peer.sent.at(-1)).toMatch(/^QC[12]$/);
    expect(latin1(packet('qC'))).toBe('$qC#b4');
  });
});
