// A raw terminal on a websocket. Bytes go both ways as they are; a text frame tells the other side how large the
// terminal is. Two ways out: Ctrl-] at any time, and `~.` at the start of a line as in ssh (`~~` sends a tilde).
//
//            byte                    CR, LF
//   ┌─────────────────► middle ◄───────────────► line start ──~──► tilde ── . ──► leave
//   └──────────────────────┘                          ▲              │ other: both bytes are sent
//                                                     └──────────────┘

import { spawnSync } from 'node:child_process';
import type { ReadStream, WriteStream } from 'node:tty';
import { ClientError } from '#client';

const CTRL_RIGHT_BRACKET = 0x1d;
const TILDE = 0x7e;
const DOT = 0x2e;

export type EscapeState = 'line-start' | 'middle' | 'tilde';

/** What of the input goes to the guest, and whether the user wants out. */
export function readEscapes(
  state: EscapeState,
  input: Uint8Array,
): { state: EscapeState; send: Uint8Array; leave: boolean } {
  const send: number[] = [];
  let now = state;
  for (const byte of input) {
    if (byte === CTRL_RIGHT_BRACKET) return { state: now, send: Uint8Array.from(send), leave: true };
    if (now === 'tilde') {
      if (byte === DOT) return { state: now, send: Uint8Array.from(send), leave: true };
      send.push(TILDE);
      // `~~` is one tilde.
      if (byte !== TILDE) send.push(byte);
      now = byte === 0x0d || byte === 0x0a ? 'line-start' : 'middle';
    } else if (now === 'line-start' && byte === TILDE) {
      now = 'tilde';
    } else {
      send.push(byte);
      now = byte === 0x0d || byte === 0x0a ? 'line-start' : 'middle';
    }
  }
  return { state: now, send: Uint8Array.from(send), leave: false };
}

/**
 * Node's raw mode still turns LF into CR LF on the way out, which breaks the guest's own full-screen programs. setRawMode(false)
 * puts everything back as it was before the first call.
 */
function rawMode(input: ReadStream): void {
  if (!input.isTTY) return;
  input.setRawMode(true);
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}

/** Runs until the user leaves, the input ends or the server closes the connection. */
export function attach(url: string, input: ReadStream, output: WriteStream): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = new WebSocket(url, ['binary']);
  socket.binaryType = 'arraybuffer';
  let state: EscapeState = 'line-start';
  let opened = false;

  const resize = (): void => {
    const { columns, rows } = output;
    if (columns && rows) socket.send(JSON.stringify({ resize: { columns, rows } }));
  };
  const type = (chunk: Buffer): void => {
    const step = readEscapes(state, chunk);
    state = step.state;
    if (step.send.length > 0) socket.send(step.send);
    if (step.leave) socket.close(1000);
  };
  const end = (): void => socket.close(1000);
  const finish = (settle: () => void): void => {
    input.off('data', type).off('end', end);
    output.off('resize', resize);
    if (input.isTTY) input.setRawMode(false);
    input.pause();
    input.unref?.();
    settle();
  };

  socket.addEventListener('open', () => {
    opened = true;
    rawMode(input);
    input.on('data', type).on('end', end);
    input.resume();
    output.on('resize', resize);
    resize();
  });
  socket.addEventListener('message', ({ data }) => {
    if (data instanceof ArrayBuffer) output.write(Buffer.from(data));
    else if (typeof data === 'string') output.write(data);
  });
  socket.addEventListener('close', ({ code, reason }) => {
    const normal = code === 1000 || code === 1001 || code === 1005;
    if (opened && normal) finish(resolve);
    else finish(() => reject(new ClientError(`The console was closed: ${reason || `code ${code}`}`)));
  });
  socket.addEventListener('error', () => {
    if (!opened)
      finish(() => reject(new ClientError('The console cannot be opened: the cloud refused the connection.')));
  });
  return promise;
}
