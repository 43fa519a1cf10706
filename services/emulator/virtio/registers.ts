// Names and numbers of the virtio specification (1.2), spelled as there.

/** Device IDs, chapter 5. */
export const DEVICE_ID = {
  NET: 1,
  BLOCK: 2,
  CONSOLE: 3,
  ENTROPY: 4,
  BALLOON: 5,
  GPU: 16,
  INPUT: 18,
  SOCKET: 19,
} as const;

/** Device status, 2.1. */
export const STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** Bits of InterruptStatus, 4.2.2. */
export const INTERRUPT = { USED_BUFFER: 1, CONFIG_CHANGE: 2 } as const;

/** Feature bits of every device, chapter 6. */
export const F_INDIRECT_DESC = 28;
export const F_EVENT_IDX = 29;
export const F_VERSION_1 = 32;
export const F_ACCESS_PLATFORM = 33;

/** MMIO registers, 4.2.2. */
export const MMIO = {
  MagicValue: 0x000,
  Version: 0x004,
  DeviceID: 0x008,
  VendorID: 0x00c,
  DeviceFeatures: 0x010,
  DeviceFeaturesSel: 0x014,
  DriverFeatures: 0x020,
  DriverFeaturesSel: 0x024,
  QueueSel: 0x030,
  QueueNumMax: 0x034,
  QueueNum: 0x038,
  QueueReady: 0x044,
  QueueNotify: 0x050,
  InterruptStatus: 0x060,
  InterruptACK: 0x064,
  Status: 0x070,
  QueueDescLow: 0x080,
  QueueDescHigh: 0x084,
  QueueDriverLow: 0x090,
  QueueDriverHigh: 0x094,
  QueueDeviceLow: 0x0a0,
  QueueDeviceHigh: 0x0a4,
  SHMLenLow: 0x0b0,
  SHMBaseHigh: 0x0bc,
  ConfigGeneration: 0x0fc,
  Config: 0x100,
} as const;

export const MAGIC = 0x74726976; // "virt"
export const VERSION = 2;
export const VENDOR_ID = 0x544c4d43; // "CMLT"

export const CONFIG_BYTES = 256;
/** Queues of one device: each is a bit of its slot's signal word (board/signals.ts). */
export const MAX_QUEUES = 30;

/** What a device is, as its driver and the transport see it: plain data, the same on every thread. */
export interface VirtioSlot {
  readonly deviceId: number;
  /** Feature bit numbers offered beside VERSION_1, INDIRECT_DESC and EVENT_IDX. */
  readonly features: readonly number[];
  /** QueueNumMax of each queue. */
  readonly queues: readonly number[];
  /** Initial config space. */
  readonly config: readonly number[];
  /** Fields of the config space that a driver may write: [offset, bytes]. A reset brings their initial values back. */
  readonly writable?: readonly (readonly [number, number])[];
  /** Config space of an input device: what `select` and `subsel` (5.8.4) bring up, by "select.subsel". */
  readonly inputConfig?: Readonly<Record<string, readonly number[]>>;
}

/** A guest has broken the rules of a ring or a request: the device needs a reset (2.1.2); the process lives. */
export class VirtioFault extends Error {
  override readonly name = 'VirtioFault';
}
