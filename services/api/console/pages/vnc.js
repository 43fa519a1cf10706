// The screen of a server, by noVNC.

import { show, websocketAddress } from './address.js';
import RFB from './novnc/core/rfb.js';

/** Guests lose keys that come faster than their login prompt reads. */
const KEY_MS = 20;
const RETURN = 0xff0d;
/** Keysyms of characters beyond Latin-1 are their code points and this. */
const UNICODE = 0x1000000;

const rfb = new RFB(document.getElementById('screen'), websocketAddress());
rfb.scaleViewport = true;
rfb.addEventListener('connect', () => show('Connected'));
rfb.addEventListener('disconnect', ({ detail }) => {
  show(detail.clean ? 'The console has ended' : 'Disconnected. Ask for a new address if this one has expired.');
});
rfb.addEventListener('desktopname', ({ detail }) => {
  document.title = detail.name;
});

document.getElementById('ctrl-alt-del').addEventListener('click', () => {
  rfb.sendCtrlAltDel();
  rfb.focus();
});

document.getElementById('typing').addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = document.getElementById('text');
  const text = field.value;
  field.value = '';
  field.disabled = true;
  rfb.focus();
  for (const character of text) {
    const point = character.codePointAt(0);
    rfb.sendKey(character === '\n' ? RETURN : point < 0x100 ? point : UNICODE + point, null);
    await new Promise((resolve) => setTimeout(resolve, KEY_MS));
  }
  field.disabled = false;
});
