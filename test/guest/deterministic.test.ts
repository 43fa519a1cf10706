import { describe, expect, it } from 'vitest';
import { EMULATOR } from '#test/support/emulator.ts';
import { run } from '#test/support/run.ts';
import { tinyImage } from '#test/support/tiny-image.ts';

const { kernel, initrd, disk } = tinyImage();

interface Trace {
  readonly console: string;
  readonly instructions: number;
  readonly regions: number;
  readonly trace: string;
}

async function traceOf(...options: string[]): Promise<Trace> {
  const machine = ['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0', '--memory', '128'];
  const { stdout, stderr } = await run(EMULATOR, ['--deterministic', ...machine, ...options]);
  const said = /(\d+) instructions(?:, (\d+) regions translated)?, trace ([0-9a-f]{16})$/.exec(stderr.trim());
  if (said === null) throw new Error(`no trace in ${stderr}`);
  const [, instructions, regions = '0', trace] = said;
  return { console: stdout, instructions: Number(instructions), regions: Number(regions), trace: trace! };
}

describe('--deterministic', () => {
  it('executes the same instructions again for the same seed: two harts, a disk, up to the login prompt', async () => {
    const options = ['--harts', '2', '--disk', `${disk},ro`, '--instructions', '70000000', '--seed', '7'];
    const [first, second] = [await traceOf(...options), await traceOf(...options)];
    expect(first.console).toMatch(/tiny login: $/);
    expect(first.instructions).toBeGreaterThan(70_000_000);
    expect(second).toEqual(first);
  });

  it('executes the same instructions translated as interpreted', async () => {
    const options = ['--harts', '2', '--disk', `${disk},ro`, '--instructions', '60000000', '--seed', '5'];
    const interpreted = await traceOf(...options, '--translate', 'off');
    const translated = await traceOf(...options, '--translate', 'on');
    expect(translated.regions).toBeGreaterThan(0);
    expect(translated).toEqual({ ...interpreted, regions: translated.regions });
  });

  it('executes others for another seed', async () => {
    const options = ['--harts', '2', '--instructions', '5000000'];
    const traces = await Promise.all(['1', '2', '3'].map((seed) => traceOf(...options, '--seed', seed)));
    expect(new Set(traces.map(({ trace }) => trace)).size).toBe(3);
  });

  it('is refused with what cannot be repeated', async () => {
    const { code, stderr } = await run(EMULATOR, ['--deterministic', '--kernel', kernel, '--net', 'socket']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--net cannot go with --deterministic')]);
  });
});
