import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../board/memory-map.ts';
import { type HartPort, LINE, REQUEST } from '../hart/contract.ts';
import { Rig } from '../virtio/rig.ts';
import { HSM } from './hart-states.ts';
import { Sbi, type SbiOutcome } from './sbi.ts';

/** As much of a hart as SBI touches. */
class Caller {
  readonly x = new Array<bigint>(32).fill(0n);
  stimecmp: bigint | undefined;
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  getX(index: number): bigint {
    return this.x[index]!;
  }

  finishEcall(a0: bigint, a1: bigint): void {
    this.x[10] = a0;
    this.x[11] = a1;
  }

  setStimecmp(ticks: bigint): void {
    this.stimecmp = ticks;
  }
}

const EID = {
  BASE: 0x10,
  TIME: 0x54494d45,
  IPI: 0x735049,
  RFENCE: 0x52464e43,
  HSM: 0x48534d,
  SRST: 0x53525354,
  DBCN: 0x4442434e,
};
const NOT_SUPPORTED = 2n ** 64n - 2n;
const INVALID_PARAM = 2n ** 64n - 3n;

function machine(harts = 2): {
  rig: Rig;
  call: (
    eid: number,
    fid: number,
    ...args: (bigint | number)[]
  ) => { outcome: SbiOutcome; error: bigint; value: bigint };
  hart: Caller;
} {
  const rig = new Rig([], harts);
  const sbi = new Sbi(rig.board, rig.ram);
  const hart = new Caller(0);
  return {
    rig,
    hart,
    call: (eid, fid, ...args) => {
      for (const [index, argument] of args.entries()) hart.x[10 + index] = BigInt.asUintN(64, BigInt(argument));
      hart.x[16] = BigInt(fid);
      hart.x[17] = BigInt(eid);
      const outcome = sbi.handle(hart as unknown as HartPort);
      return { outcome, error: hart.x[10]!, value: hart.x[11]! };
    },
  };
}

describe('SBI', () => {
  it('says that it is version 2.0 and which extensions there are', () => {
    const { call } = machine();
    expect(call(EID.BASE, 0).value).toBe(0x0200_0000n);
    for (const eid of Object.values(EID)) expect(call(EID.BASE, 3, eid).value).toBe(1n);
    expect(call(EID.BASE, 3, 0x504d55).value).toBe(0n); // PMU
    expect(call(0x504d55, 0).error).toBe(NOT_SUPPORTED);
    expect(call(EID.BASE, 99).error).toBe(NOT_SUPPORTED);
  });

  it('sets the timer, also by the legacy call, which leaves a1 alone', () => {
    const { call, hart } = machine();
    call(EID.TIME, 0, 12345);
    expect(hart.stimecmp).toBe(12345n);
    expect(call(0, 0, 777, 42)).toEqual({ outcome: 'continue', error: 0n, value: 42n });
    expect(hart.stimecmp).toBe(777n);
  });

  it('interrupts the harts of a mask, all with base -1, none when one of them does not exist', () => {
    const { rig, call } = machine(3);
    const raised = (): number[] => rig.lines.map((line) => line.get() & LINE.SSIP);
    expect(call(EID.IPI, 0, 0b11, 2).error).toBe(INVALID_PARAM);
    expect(raised()).toEqual([0, 0, 0]);
    call(EID.IPI, 0, 0b10, 0);
    expect(raised()).toEqual([0, LINE.SSIP, 0]);
    call(EID.IPI, 0, 0, -1);
    expect(raised()).toEqual([LINE.SSIP, LINE.SSIP, LINE.SSIP]);
  });

  it('asks other harts for fences and does not wait for one that executes nothing', () => {
    const { rig, call } = machine();
    expect(call(EID.RFENCE, 0, 0b10, 0).error).toBe(0n);
    expect(rig.lines[1]!.requests()).toBe(REQUEST.FENCE_I);
    expect(call(EID.RFENCE, 1, 0b10, 0, 0, 4096).error).toBe(0n);
    expect(rig.lines[1]!.requests()).toBe(REQUEST.FENCE_I | REQUEST.SFENCE_VMA);
    expect(call(EID.RFENCE, 3, 0b10, 0).error).toBe(NOT_SUPPORTED);
  });

  it('starts, stops and reports harts', () => {
    const { rig, call } = machine();
    expect([call(EID.HSM, 2, 0).value, call(EID.HSM, 2, 1).value]).toEqual([BigInt(HSM.STARTED), BigInt(HSM.STOPPED)]);
    expect(call(EID.HSM, 0, 1, 0x1000, 0).error).toBe(2n ** 64n - 5n); // INVALID_ADDRESS
    expect(call(EID.HSM, 0, 1, RAM_BASE + 0x1000, 99).error).toBe(0n);
    expect(call(EID.HSM, 2, 1).value).toBe(BigInt(HSM.START_PENDING));
    expect(call(EID.HSM, 0, 1, RAM_BASE, 0).error).toBe(2n ** 64n - 6n); // ALREADY_AVAILABLE
    expect(rig.board.hartStates.takeStart(1)).toEqual({ pc: BigInt(RAM_BASE + 0x1000), opaque: 99n });
    expect(call(EID.HSM, 2, 1).value).toBe(BigInt(HSM.STARTED));
    expect(call(EID.HSM, 2, 7).error).toBe(INVALID_PARAM);
    expect(call(EID.HSM, 1).outcome).toBe('stopped');
    expect(rig.board.hartStates.get(0)).toBe(HSM.STOPPED);
    expect(call(EID.HSM, 3, 0).outcome).toBe('idle');
  });

  it.each([
    [0, 0, { kind: 'power-off' }],
    [0, 1, { kind: 'failure', code: 1 }],
    [1, 0, { kind: 'reset' }],
    [2, 0, { kind: 'reset' }],
  ] as const)('system reset of type %i for reason %i', (type, reason, request) => {
    const { rig, call } = machine();
    expect(call(EID.SRST, 0, type, reason).outcome).toBe('halted');
    rig.devices.service();
    expect(rig.power).toEqual([request]);
  });

  it('prints from memory, and refuses addresses outside of it', () => {
    const { rig, call } = machine();
    rig.ram.bytes.set(new TextEncoder().encode('hello'), 0x100);
    expect(call(EID.DBCN, 0, 5, RAM_BASE + 0x100, 0)).toMatchObject({ error: 0n, value: 5n });
    expect(call(EID.DBCN, 2, 33).error).toBe(0n);
    rig.devices.service();
    expect(new TextDecoder().decode(Uint8Array.from(rig.printed))).toBe('hello!');
    expect(call(EID.DBCN, 0, 5, 0x100, 0).error).toBe(INVALID_PARAM);
    expect(call(EID.DBCN, 0, 5, RAM_BASE, 1).error).toBe(INVALID_PARAM);
    expect(call(EID.DBCN, 0, 2 ** 40, RAM_BASE, 0).error).toBe(INVALID_PARAM);
  });

  it('reads what was typed', () => {
    const { rig, call } = machine();
    rig.type(new TextEncoder().encode('ab'));
    expect(call(EID.DBCN, 1, 10, RAM_BASE, 0)).toMatchObject({ error: 0n, value: 2n });
    expect([...rig.ram.bytes.subarray(0, 3)]).toEqual([97, 98, 0]);
    expect(call(2, 0).error).toBe(2n ** 64n - 1n);
  });
});
