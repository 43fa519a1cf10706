// The server's side of a WebSocket (RFC 6455), as far as a test needs it: short frames, no fragments, no extensions.

import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

export interface WebSocketPeer {
  /** Everything that came in binary frames, as latin1. */
  bytes(): string;
  texts(): readonly string[];
  sendBinary(text: string): void;
}

/** Answers the handshake of an `upgrade` event (section 4.2.2) and reads frames from then on. */
export function acceptWebSocket(request: IncomingMessage, socket: Socket): WebSocketPeer {
  const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64');
  const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]?.trim();
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${key}`,
      ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
      '\r\n',
    ].join('\r\n'),
  );
  let pending = Buffer.alloc(0);
  let received = '';
  const texts: string[] = [];
  const send = (opcode: number, payload: Buffer): void => {
    socket.write(Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), payload]));
  };
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame; frame = readFrame(pending)) {
      pending = pending.subarray(frame.size);
      if (frame.opcode === TEXT) texts.push(frame.payload.toString('utf8'));
      if (frame.opcode === BINARY) received += frame.payload.toString('latin1');
      if (frame.opcode === CLOSE) {
        send(CLOSE, frame.payload);
        socket.end();
      }
    }
  });
  socket.on('error', () => undefined);
  return { bytes: () => received, texts: () => texts, sendBinary: (text) => send(BINARY, Buffer.from(text, 'latin1')) };
}

/** Section 5.2; frames of a client are masked. Undefined until the whole frame is there. */
function readFrame(data: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (data.length < 6) return undefined;
  const length = (data[1] ?? 0) & 0x7f;
  if (length > 125) throw new Error('longer frames are not understood here');
  const size = 6 + length;
  if (data.length < size) return undefined;
  const mask = data.subarray(2, 6);
  const payload = Buffer.from(data.subarray(6, size).map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
  return { opcode: (data[0] ?? 0) & 0x0f, payload, size };
}
