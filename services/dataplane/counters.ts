// What is counted: frames and bytes of each port, and what was dropped, by the layer that dropped it and why.

export const DROP_REASONS = [
  'malformed', // no Ethernet frame, or an offload that does not fit it
  'too-big', // larger than the network's MTU
  'admin-down', // the port's admin state is down
  'source-mac', // anti-spoofing: not the port's MAC address
  'source-ip', // anti-spoofing: not an address of the port
  'arp-sender', // anti-spoofing: an ARP packet that claims what is not the port's
  'ethertype', // anti-spoofing: neither IP nor ARP
  'egress-rules', // no security group lets the guest send it
  'ingress-rules', // no security group lets the guest get it
  'fragment', // a later piece of a packet whose first piece did not pass
  'dhcp-server', // a guest that answers DHCP itself
  'dhcp-ignored', // a DHCP message that needs no answer, or has no lease to answer with
  'dhcp-malformed',
  'arp-answered-for', // an ARP packet for an address that the switch answers for, and that needs no answer
  'ttl', // a router got it with no hop left
  'no-route', // a router knows no way to its destination
  'gateway-ignored', // to a router's MAC address, and not for this switch to answer
  'unknown-destination', // nobody here has the MAC address
  'unplugged', // the port's guest is not connected
  'own-port', // to the port that it came from
  'unknown-vni',
  'unknown-vtep', // a tunnel datagram from an address that is no VTEP of the network
  'not-vxlan',
  'queue-full', // the receiver does not read
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

export interface PortCounters {
  /** `rx` is what the switch received from the port. */
  rxFrames: number;
  rxBytes: number;
  txFrames: number;
  txBytes: number;
  readonly drops: Partial<Record<DropReason, number>>;
}

export const newPortCounters = (): PortCounters => ({ rxFrames: 0, rxBytes: 0, txFrames: 0, txBytes: 0, drops: {} });

export interface SwitchCounters {
  readonly drops: Partial<Record<DropReason, number>>;
  tunnelRxFrames: number;
  tunnelRxBytes: number;
  tunnelTxFrames: number;
  tunnelTxBytes: number;
  /** Answered by the switch itself. */
  hairpinFrames: number;
}

export const newSwitchCounters = (): SwitchCounters => ({
  drops: {},
  tunnelRxFrames: 0,
  tunnelRxBytes: 0,
  tunnelTxFrames: 0,
  tunnelTxBytes: 0,
  hairpinFrames: 0,
});

export function count(drops: Partial<Record<DropReason, number>>, reason: DropReason): void {
  drops[reason] = (drops[reason] ?? 0) + 1;
}
