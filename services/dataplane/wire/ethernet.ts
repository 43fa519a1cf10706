// Ethernet II (IEEE 802.3 3.1.1): destination, source, type, payload. No frame check sequence: frames here never carry it.
import { type Mac, setMac, setU16 } from './bytes.ts';

export const ETH_DESTINATION = 0;
export const ETH_SOURCE = 6;
export const ETH_TYPE = 12;
export const ETH_HEADER = 14;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;

export function writeEthernet(bytes: Uint8Array, destination: Mac, source: Mac, type: number): void {
  setMac(bytes, ETH_DESTINATION, destination);
  setMac(bytes, ETH_SOURCE, source);
  setU16(bytes, ETH_TYPE, type);
}
