import { describe, expect, test } from 'vitest';
import {
  bytesOfHex,
  bytesOfLatin1,
  hexOf,
  hexOfRegister,
  latin1,
  MAX_PACKET,
  PacketReader,
  packet,
  type Received,
  registerOfHex,
} from './packet.ts';

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const text = (bytes: Uint8Array): string => latin1(bytes);

describe('packets', () => {
  test('are framed as the protocol has it', () => {
    expect(text(packet('OK'))).toBe('$OK#9a');
    expect(text(packet(''))).toBe('$#00');
    expect(text(packet('a}b'))).toBe('$a}]b#9d');
  });

  test('come back as they were sent, whatever bytes they hold and in whatever pieces they arrive', () => {
    const pick = random(1);
    for (let round = 0; round < 500; round++) {
      const sent = Array.from({ length: 1 + pick(4) }, () =>
        latin1(Uint8Array.from({ length: pick(200) }, () => pick(256))),
      );
      const stream = sent.flatMap((data) => [...packet(data)]);
      const reader = new PacketReader();
      const received: Received[] = [];
      while (stream.length > 0) received.push(...reader.push(Uint8Array.from(stream.splice(0, 1 + pick(40)))));
      expect(received).toEqual(sent.map((data) => ({ kind: 'packet', data })));
    }
  });

  test('with a wrong sum, or that never end, are damaged, and the next one is read', () => {
    const reader = new PacketReader();
    expect(reader.push(bytesOfLatin1('$OK#00$OK#9a'))).toEqual([{ kind: 'damaged' }, { kind: 'packet', data: 'OK' }]);
    expect(reader.push(bytesOfLatin1('$OK#zz'))).toEqual([{ kind: 'damaged' }]);
    expect(reader.push(bytesOfLatin1('$lost$OK#9a'))).toEqual([{ kind: 'damaged' }, { kind: 'packet', data: 'OK' }]);
    expect(reader.push(new Uint8Array(MAX_PACKET + 2).fill(0x24, 0, 1).fill(0x41, 1))).toEqual([{ kind: 'damaged' }]);
    expect(reader.push(bytesOfLatin1('+-\x03noise$OK#9a'))).toEqual([
      { kind: 'ack' },
      { kind: 'nack' },
      { kind: 'interrupt' },
      { kind: 'packet', data: 'OK' },
    ]);
  });

  test('hold what a peer can make them hold, and no more, under any bytes', () => {
    const pick = random(2);
    const reader = new PacketReader();
    for (let round = 0; round < 2000; round++) {
      // Mostly the characters that mean something.
      const bytes = Uint8Array.from({ length: pick(100) }, () =>
        pick(3) === 0 ? pick(256) : '$#}+-\x03a0'.charCodeAt(pick(8)),
      );
      for (const received of reader.push(bytes)) {
        if (received.kind === 'packet') expect(received.data.length).toBeLessThanOrEqual(MAX_PACKET);
      }
    }
    expect(reader.push(bytesOfLatin1('#00$OK#9a')).at(-1)).toEqual({ kind: 'packet', data: 'OK' });
  });
});

describe('numbers', () => {
  test('are hex text, registers with their lowest byte first', () => {
    expect(hexOfRegister(0x1234_5678_9abc_def0n, 8)).toBe('f0debc9a78563412');
    expect(hexOfRegister(0x12n, 4)).toBe('12000000');
    expect(registerOfHex('f0debc9a78563412')).toBe(0x1234_5678_9abc_def0n);
    expect([registerOfHex('1'), registerOfHex('zz'), registerOfHex(''), registerOfHex('00'.repeat(9))]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(hexOf(bytesOfHex('00ff10')!)).toBe('00ff10');
  });
});
