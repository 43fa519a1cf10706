// ARP suppression: who has which address is known from the controller, so a request is answered next to the guest and
// does not cross the network. Requests for addresses that nobody announced (allowed address pairs) go on as broadcasts.

import type { Layer } from '../layer.ts';
import {
  ARP_OPERATION,
  ARP_REPLY,
  ARP_REQUEST,
  ARP_SENDER_IP,
  ARP_TARGET_IP,
  buildArp,
  isArpIpv4,
} from '../wire/arp.ts';
import { isGroupMac, u16, u32 } from '../wire/bytes.ts';
import { ETH_HEADER, ETHERTYPE_ARP } from '../wire/ethernet.ts';

export const arp: Layer = {
  name: 'arp',
  step(frame, port, outputs) {
    if (frame.etherType !== ETHERTYPE_ARP) return true;
    if (!isArpIpv4(frame.header, ETH_HEADER)) {
      outputs.drop('malformed', frame);
      return false;
    }
    const operation = u16(frame.header, ETH_HEADER + ARP_OPERATION);
    const senderIp = u32(frame.header, ETH_HEADER + ARP_SENDER_IP);
    const targetIp = u32(frame.header, ETH_HEADER + ARP_TARGET_IP);
    const owner = port.network.arp.get(targetIp);
    if (owner === undefined) return true;
    if (operation === ARP_REQUEST && owner !== frame.source) {
      const senderMac = frame.source;
      const fields = {
        operation: ARP_REPLY,
        senderMac: owner,
        senderIp: targetIp,
        targetMac: senderMac,
        targetIp: senderIp,
      };
      outputs.answer(port, buildArp(senderMac, owner, fields));
      return false;
    }
    // Announcements of what everybody has been told, and probes for one's own address.
    if (owner === frame.source || isGroupMac(frame.destination)) {
      outputs.drop('arp-answered-for', frame);
      return false;
    }
    return true;
  },
};
