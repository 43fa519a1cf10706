// Messages on the control queues of a console with several ports (virtio 1.2, 5.3.6.2): struct virtio_console_control, and
// what follows it. Pure.

export const EVENT = {
  DEVICE_READY: 0,
  PORT_ADD: 1,
  PORT_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;

export const CONTROL_BYTES = 8;

export interface ControlMessage {
  readonly port: number;
  readonly event: number;
  readonly value: number;
}

export function decodeControl(bytes: Uint8Array): ControlMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, CONTROL_BYTES);
  return { port: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true) };
}

export function encodeControl(port: number, event: number, value = 0, rest: Uint8Array = NOTHING): Uint8Array {
  const bytes = new Uint8Array(CONTROL_BYTES + rest.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, port, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  bytes.set(rest, CONTROL_BYTES);
  return bytes;
}

/** A port's name, as bytes without an end mark. */
export const encodeName = (port: number, name: string): Uint8Array =>
  encodeControl(port, EVENT.PORT_NAME, 1, new TextEncoder().encode(name));

/** struct virtio_console_resize: columns, then rows. */
export function encodeSize(port: number, columns: number, rows: number): Uint8Array {
  const size = new Uint8Array(4);
  const view = new DataView(size.buffer);
  view.setUint16(0, columns, true);
  view.setUint16(2, rows, true);
  return encodeControl(port, EVENT.RESIZE, 0, size);
}

const NOTHING = new Uint8Array(0);
