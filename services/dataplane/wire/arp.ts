// ARP for IPv4 over Ethernet (RFC 826). Offsets count from the start of the ARP packet.
import { type Ipv4, type Mac, setMac, setU16, setU32, u16 } from './bytes.ts';
import { ETH_HEADER, ETHERTYPE_ARP, ETHERTYPE_IPV4, writeEthernet } from './ethernet.ts';

export const ARP_OPERATION = 6;
export const ARP_SENDER_MAC = 8;
export const ARP_SENDER_IP = 14;
export const ARP_TARGET_MAC = 18;
export const ARP_TARGET_IP = 24;
export const ARP_LENGTH = 28;

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** Hardware type Ethernet, protocol IPv4, with their address lengths. */
export const isArpIpv4 = (bytes: Uint8Array, at: number): boolean =>
  bytes.length >= at + ARP_LENGTH &&
  u16(bytes, at) === 1 &&
  u16(bytes, at + 2) === ETHERTYPE_IPV4 &&
  bytes[at + 4] === 6 &&
  bytes[at + 5] === 4;

export interface ArpFields {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

/** A whole frame. */
export function buildArp(destination: Mac, source: Mac, fields: ArpFields): Uint8Array {
  const bytes = new Uint8Array(ETH_HEADER + ARP_LENGTH);
  writeEthernet(bytes, destination, source, ETHERTYPE_ARP);
  const at = ETH_HEADER;
  setU16(bytes, at, 1);
  setU16(bytes, at + 2, ETHERTYPE_IPV4);
  bytes[at + 4] = 6;
  bytes[at + 5] = 4;
  setU16(bytes, at + ARP_OPERATION, fields.operation);
  setMac(bytes, at + ARP_SENDER_MAC, fields.senderMac);
  setU32(bytes, at + ARP_SENDER_IP, fields.senderIp);
  setMac(bytes, at + ARP_TARGET_MAC, fields.targetMac);
  setU32(bytes, at + ARP_TARGET_IP, fields.targetIp);
  return bytes;
}
