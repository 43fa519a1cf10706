// The state of a whole machine beside its RAM: named, versioned, plain JSON. RAM travels apart (page by page), because it
// is large and mostly zero.

import { CumuletError } from '#base';
import type { Board } from '../board/board.ts';
import type { ClintStateV1 } from '../devices/clint.ts';
import type { PlicStateV1 } from '../devices/plic.ts';
import type { RtcStateV1 } from '../devices/rtc.ts';
import type { UartStateV1 } from '../devices/uart.ts';
import type { HartStateV1 } from '../hart/contract.ts';
import type { HartStatesV1 } from '../sbi/hart-states.ts';
import type { VirtioDevice, VirtioDeviceStateV1 } from '../virtio/device.ts';

export interface MachineStateV1 {
  readonly kind: 'machine';
  readonly version: 1;
  readonly memoryBytes: number;
  /** Whether harts run on our SBI or on M-mode software of the guest's own. */
  readonly firmware: 'sbi' | 'none';
  readonly harts: readonly HartStateV1[];
  readonly hsm: HartStatesV1;
  readonly plic: PlicStateV1;
  readonly clint: ClintStateV1;
  readonly uart: UartStateV1;
  readonly rtc: RtcStateV1;
  readonly devices: readonly VirtioDeviceStateV1[];
}

export const RAM_PAGE = 4096;

/** All harts are paused and the devices quiesced. */
export function saveMachine(
  board: Board,
  devices: readonly VirtioDevice[],
  harts: readonly HartStateV1[],
  memoryBytes: number,
  firmware: 'sbi' | 'none',
): MachineStateV1 {
  return {
    kind: 'machine',
    version: 1,
    memoryBytes,
    firmware,
    harts,
    hsm: board.hartStates.save(),
    plic: board.plic.save(),
    clint: board.clint.save(),
    uart: board.uart.save(),
    rtc: board.rtc.save(),
    devices: devices.map((device) => device.save()),
  };
}

/** Refuses a state that belongs to another machine, in words that say what differs. */
export function checkState(
  state: unknown,
  devices: readonly VirtioDevice[],
  harts: number,
  memoryBytes: number,
): MachineStateV1 {
  const refuse = (why: string): never => {
    throw new CumuletError('invalid', `this snapshot cannot be restored: ${why}`);
  };
  if (typeof state !== 'object' || state === null) refuse('it holds no machine state');
  const machine = state as MachineStateV1;
  if (machine.kind !== 'machine') refuse('it holds no machine state');
  if (machine.version !== 1) refuse(`it has version ${machine.version}, and this emulator reads version 1`);
  if (machine.memoryBytes !== memoryBytes)
    refuse(`it was made with ${machine.memoryBytes} bytes of memory, and the guest has ${memoryBytes}`);
  if (machine.harts.length !== harts)
    refuse(`it was made with ${machine.harts.length} harts, and the guest has ${harts}`);
  const [was, is] = [machine.devices.map((device) => device.kind), devices.map((device) => device.kind)];
  if (was.join() !== is.join())
    refuse(`it was made with the devices ${was.join(', ')}, and the guest has ${is.join(', ')}`);
  return machine;
}

/** RAM and harts have been restored; no hart runs yet. The PLIC comes before the devices that drive its wires. */
export function restoreBoard(board: Board, devices: readonly VirtioDevice[], state: MachineStateV1): void {
  board.signals.clearPower();
  board.hartStates.restore(state.hsm);
  board.clint.restore(state.clint);
  board.plic.restore(state.plic);
  board.uart.restore(state.uart);
  board.rtc.restore(state.rtc);
  for (const [index, device] of devices.entries()) device.restore(state.devices[index]!);
}

/** Runs of pages that hold anything but zeros: [offset, length] in bytes. Long gaps cost nothing to store. */
export function* usedRuns(ram: Uint8Array): Generator<readonly [number, number]> {
  const words = new Int32Array(ram.buffer, ram.byteOffset, ram.byteLength >>> 2);
  const perPage = RAM_PAGE >> 2;
  let start = -1;
  for (let page = 0; page * RAM_PAGE < ram.byteLength; page++) {
    const used = !isZero(words, page * perPage, perPage);
    if (used && start < 0) start = page;
    if (!used && start >= 0) {
      yield [start * RAM_PAGE, (page - start) * RAM_PAGE];
      start = -1;
    }
  }
  if (start >= 0) yield [start * RAM_PAGE, ram.byteLength - start * RAM_PAGE];
}

function isZero(words: Int32Array, from: number, count: number): boolean {
  const end = from + count;
  for (let i = from; i < end; i += 8) {
    if (
      (words[i]! |
        words[i + 1]! |
        words[i + 2]! |
        words[i + 3]! |
        words[i + 4]! |
        words[i + 5]! |
        words[i + 6]! |
        words[i + 7]!) !==
      0
    )
      return false;
  }
  return true;
}
