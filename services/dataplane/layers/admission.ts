// First of all: the port is up, and the frame fits the network.

import type { Layer } from '../layer.ts';
import { largestPacket } from '../offload.ts';
import { ETH_HEADER } from '../wire/ethernet.ts';

export const admission: Layer = {
  name: 'admission',
  step(frame, port, outputs) {
    if (!port.adminStateUp) outputs.drop('admin-down', frame);
    else if (frame.length > ETH_HEADER + port.network.mtu && largestPacket(frame) > port.network.mtu) {
      outputs.drop('too-big', frame);
    } else return true;
    return false;
  },
};
