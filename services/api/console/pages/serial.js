// The serial console of a server, in a terminal by xterm.js.

import { show, websocketAddress } from './address.js';
import { Terminal } from './xterm/lib/xterm.mjs';

const terminal = new Terminal({ cursorBlink: true, scrollback: 5000 });
terminal.open(document.getElementById('screen'));

const socket = new WebSocket(websocketAddress(), ['binary']);
socket.binaryType = 'arraybuffer';
socket.addEventListener('open', () => {
  show('Connected');
  socket.send(JSON.stringify({ resize: { columns: terminal.cols, rows: terminal.rows } }));
  terminal.focus();
});
socket.addEventListener('message', ({ data }) => {
  terminal.write(typeof data === 'string' ? data : new Uint8Array(data));
});
socket.addEventListener('close', ({ reason }) => {
  show(reason || 'Disconnected. Ask for a new address if this one has expired.');
});
terminal.onData((text) => socket.send(new TextEncoder().encode(text)));
