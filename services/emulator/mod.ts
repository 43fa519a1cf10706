// Public face of emulator.
export * from './backends.ts';
export * from './board/arena.ts';
export * from './board/board.ts';
export * from './board/clock.ts';
export * from './board/guest-memory.ts';
export * from './board/lines.ts';
export * from './board/loader.ts';
export * from './board/memory-map.ts';
export * from './board/signals.ts';
export * from './debug/devices.ts';
export * from './debug/disassemble.ts';
export * from './debug/exits.ts';
export * from './debug/look.ts';
export * from './debug/page-walk.ts';
export type { TlbContextLook, TlbLook } from './debug/tlb.ts';
export * from './display/framebuffer.ts';
export * from './hart/contract.ts';
export { SHOWN_CSRS } from './hart/csr.ts';
export { Hart, type HartOptions } from './hart/hart.ts';
export { compileInterpreter, generateInterpreter } from './hart/interpreter.ts';
export {
  hartOffset,
  hartWords,
  MACHINE_WORDS_OFFSET,
  MACHINE_WORDS_SIZE,
  MAX_HARTS,
  MAX_RAM_BYTES,
  newRamMemory,
  newStateMemory,
} from './hart/layout.ts';
export { glanceAt, type HartGlance } from './hart/region.ts';
export * from './machine/boot.ts';
export * from './machine/devices.ts';
export * from './machine/hart-runner.ts';
export * from './machine/machine.ts';
export { SeededRandom } from './machine/seeded-random.ts';
export { type HartStates, HSM } from './sbi/hart-states.ts';
export * from './sbi/sbi.ts';
export * from './snapshot/dirty-log.ts';
export * from './snapshot/machine-state.ts';
export { PageScanner } from './snapshot/page-scanner.ts';
export * from './snapshot/stream.ts';
export { BALLOON_PAGE, type BalloonStats, VirtioBalloon } from './virtio/balloon.ts';
export { VirtioBlock } from './virtio/block.ts';
export { MAX_CONSOLE_PORTS, VirtioConsole } from './virtio/console.ts';
export type { VirtioDevice } from './virtio/device.ts';
export { VirtioGpu } from './virtio/gpu.ts';
export { type PointerReport, TABLET_RANGE, VirtioKeyboard, VirtioPowerButton, VirtioTablet } from './virtio/input.ts';
export { MAX_FRAME_BYTES, NET_HEADER_BYTES, VirtioNet } from './virtio/net.ts';
export type { VirtioSlot } from './virtio/registers.ts';
export { VirtioVsock } from './virtio/vsock.ts';
