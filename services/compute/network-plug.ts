// What the agent asks of the node's network: to join a NIC's frame socket to its port, and to leave it. The composition
// passes an implementation in; without a network, frames go nowhere.

import type { FrameSocket } from './driver.ts';

export interface NetworkPlug {
  /** The socket listens. May be called again for the same port: after a reboot, or when an earlier agent had plugged it. */
  plug(nic: FrameSocket): Promise<void>;
  /** Nothing happens when the port is not plugged. */
  unplug(portId: string): Promise<void>;
}

export const noNetwork: NetworkPlug = { plug: async () => {}, unplug: async () => {} };
