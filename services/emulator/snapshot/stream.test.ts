import { describe, expect, it } from 'vitest';
import { compileInterpreter } from '../hart/interpreter.ts';
import { assemble } from '../isa/assemble.ts';
import { Machine } from '../machine/machine.ts';
import { machineFromStream, machineToStream } from './stream.ts';

const module = compileInterpreter();

/** A chain of numbers, each made of the one before, written over a few pages. */
const CHAIN = assemble(`
  lui s1, -2146435072
  slli s1, s1, 32
  srli s1, s1, 32
  addi s0, x0, 1
  lui s3, 0xf000
again:
  slli t0, s0, 7
  xor s0, s0, t0
  srli t0, s0, 9
  xor s0, s0, t0
  and t1, s0, s3
  add t1, t1, s1
  sd s0, 8(t1)
  jal x0, again
`);

function chained(): Machine {
  const serial = { write: () => undefined, onInput: () => undefined };
  const fill = (into: Uint8Array): void => void into.fill(4);
  return new Machine({
    harts: 2,
    memoryBytes: 4 << 20,
    module,
    devices: [{ type: 'rng', backend: { fill } }, { type: 'power-button' }],
    serial,
  });
}

async function* cut(chunks: Iterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
  }
}

async function saved(): Promise<{ first: Machine; chunks: Uint8Array[] }> {
  const first = chained();
  first.boot({ bios: CHAIN });
  for (let i = 0; i < 5; i++) first.step();
  const { state, ram } = await first.save();
  return { first, chunks: [...machineToStream(state, ram)] };
}

describe('a machine as a stream', () => {
  it.each([1, 7, 4096, 1 << 20])(
    'goes on elsewhere exactly as it would have here, in chunks of %i bytes',
    async (size) => {
      const { first, chunks } = await saved();
      const second = chained();
      const ram = new Uint8Array(second.ram.size);
      const state = (await machineFromStream(cut(chunks, size), ram)) as Parameters<typeof second.restore>[0]['state'];
      await second.restore({ state, ram });
      for (let i = 0; i < 5; i++) {
        first.step();
        second.step();
      }
      const [one, other] = [await first.save(), await second.save()];
      expect(other.state.harts).toEqual(one.state.harts);
      expect(Buffer.compare(other.ram, one.ram)).toBe(0);
    },
  );

  it('names and versions every device, and leaves zero pages out', async () => {
    const { chunks } = await saved();
    const state = JSON.parse(new TextDecoder().decode(chunks[2]));
    for (const part of [state, state.plic, state.clint, state.uart, state.rtc, ...state.harts, ...state.devices])
      expect(part).toMatchObject({ kind: expect.any(String), version: expect.any(Number) });
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    expect(bytes).toBeLessThan(1 << 20);
  });

  it('is refused when it was cut off, or is something else', async () => {
    const { chunks } = await saved();
    const ram = new Uint8Array(4 << 20);
    const whole = Buffer.concat(chunks);
    await expect(machineFromStream([whole.subarray(0, whole.length - 8)], ram)).rejects.toThrow(/ends early/);
    await expect(machineFromStream([whole.subarray(0, 50)], ram)).rejects.toThrow(/ends early/);
    await expect(machineFromStream([Buffer.from('#!/bin/sh\necho')], ram)).rejects.toThrow(/no machine/);
    await expect(machineFromStream([whole], ram.subarray(0, 4096))).rejects.toThrow(/outside of memory/);
    whole[8] = 9;
    await expect(machineFromStream([whole], ram)).rejects.toThrow(/version 9/);
  });
});
