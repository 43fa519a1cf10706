// A guest whose run can be repeated: all harts on this thread, one slice after the other; time counts instructions; entropy
// and the lengths of slices come from a seed, so that another seed is another interleaving of the harts. What disks were
// asked for is done before the next slice, in the order asked. Input that is typed arrives when it arrives: a run with
// input is not the same run.

import { readFile } from 'node:fs/promises';
import { CumuletError, messageOf } from '#base';
import { openDisk } from '#disk';
import { type BlockBackend, type DeviceSpec, gunzip, Machine, SeededRandom } from '#emulator';
import type { EmulatorArguments } from './arguments.ts';
import { stuckReason } from './stuck.ts';

const MIB = 1024 * 1024;
/** The guest's wall clock at power-on: 2025-01-01. */
const WALL_MS = 1_735_689_600_000;
/** Visits until code is translated: from the first instruction on, for such a run is made to compare. */
const HOT_THRESHOLD = 4000;
const SLICE_LOW = 2_000;
const SLICE_HIGH = 20_000;
/** Steps between two looks at the terminal. */
const STEPS_A_TURN = 64;
const MINSTRET = 0xb02;

export interface DeterministicEnd {
  readonly state: 'stopped' | 'crashed';
  readonly reason: string;
  readonly instructions: bigint;
  readonly trace: string;
  /** Regions of code that were translated. */
  readonly regions: number;
}

/** Requests one after the other: completions come in the order of submission on every host. */
function inOrder(backend: BlockBackend): BlockBackend {
  let last: Promise<unknown> = Promise.resolve();
  const next = (act: () => Promise<void>): Promise<void> => {
    const done = last.then(act);
    last = done.catch(() => undefined);
    return done;
  };
  return {
    size: backend.size,
    readOnly: backend.readOnly,
    read: (offset, into) => next(() => backend.read(offset, into)),
    write: (offset, from) => next(() => backend.write(offset, from)),
    flush: () => next(() => backend.flush()),
    discard: (offset, length) => next(() => backend.discard(offset, length)),
    writeZeroes: (offset, length, unmap) => next(() => backend.writeZeroes(offset, length, unmap)),
    close: () => next(() => backend.close()),
  };
}

async function input(what: string, path: string | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw new CumuletError('internal', `the ${what} ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

export async function runDeterministic(
  options: EmulatorArguments,
  { seed, instructions }: { readonly seed: number; readonly instructions: number },
): Promise<DeterministicEnd> {
  const random = new SeededRandom(seed);
  const disks: BlockBackend[] = [];
  for (const { path, format, readOnly } of options.disks)
    disks.push(await openDisk(path, { format, readOnly, backingAllowed: () => true }));
  const specs: DeviceSpec[] = [
    ...disks.map((disk, index): DeviceSpec => ({ type: 'block', backend: inOrder(disk), serial: `disk${index}` })),
    { type: 'rng', backend: { fill: (into) => random.fill(into) } },
  ];
  const rngSeed = new Uint8Array(32);
  random.fill(rngSeed);
  const machine = new Machine({
    harts: options.harts,
    memoryBytes: options.memoryMiB * MIB,
    devices: specs,
    serial: {
      write: (bytes) => void process.stdout.write(bytes),
      onInput: (receive) => process.stdin.on('data', receive),
    },
    startWallMs: WALL_MS,
    rngSeed,
    sliceLength: () => random.between(SLICE_LOW, SLICE_HIGH),
    translate: options.translate === 'on',
    hotThreshold: HOT_THRESHOLD,
  });
  const kernel = await input('kernel', options.kernel);
  const files = {
    kernel: kernel && (await gunzip(kernel, machine.ram.size)),
    initrd: await input('initrd', options.initrd),
    bios: await input('bios', options.bios),
    append: options.append,
  };
  machine.boot(files);
  const executed = (): bigint => {
    let sum = 0n;
    for (let hart = 0; hart < options.harts; hart++) sum += machine.hart(hart).getCsr(MINSTRET);
    return sum;
  };
  const end = async (state: DeterministicEnd['state'], reason: string): Promise<DeterministicEnd> => {
    for (const disk of disks) await disk.close();
    process.stdin.pause();
    let regions = 0;
    for (let hart = 0; hart < options.harts; hart++) regions += machine.hart(hart).counters().regions_translated ?? 0;
    return { state, reason, instructions: executed(), trace: machine.trace.text, regions };
  };
  for (let step = 1; ; step++) {
    machine.step();
    await machine.devices.quiesce();
    machine.devices.resume();
    const { power } = machine;
    switch (power?.kind) {
      case undefined:
        break;
      case 'power-off':
        return end('stopped', 'the guest powered off');
      case 'reset':
        if (options.noReboot) return end('stopped', 'the guest rebooted');
        await machine.devices.reset();
        machine.boot(files);
        break;
      case 'failure':
        return end('crashed', `the guest reported a failure (code ${power.code})`);
      case 'stuck':
        return end('crashed', stuckReason(machine.hart(power.hart).save()));
    }
    if (step % STEPS_A_TURN !== 0) continue;
    if (executed() >= BigInt(Math.min(instructions, Number.MAX_SAFE_INTEGER)))
      return end('stopped', 'it was time to end');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
