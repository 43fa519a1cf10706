// What a guest may send, by the security groups of its port; what it may get is asked when a frame is handed to a port
// (vswitch.ts). A port without port security has no firewall.

import type { Layer } from '../layer.ts';

export const firewall: Layer = {
  name: 'firewall',
  step(frame, port, outputs) {
    const reason = port.firewall?.refusal(frame, 'egress', outputs.now);
    if (reason !== undefined) outputs.drop(reason, frame);
    return reason === undefined;
  },
};
