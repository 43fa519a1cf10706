// IP protocols by the names that Neutron knows, with their numbers (IANA, "Protocol Numbers").

export const IP_PROTOCOLS: Readonly<Record<string, number>> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  hopopt: 0,
  icmp: 1,
  icmpv6: 58,
  igmp: 2,
  ip: 0,
  ipip: 4,
  'ipv6-encap': 41,
  'ipv6-frag': 44,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  'ipv6-route': 43,
  ospf: 89,
  pgm: 113,
  rsvp: 46,
  sctp: 132,
  tcp: 6,
  udp: 17,
  udplite: 136,
  vrrp: 112,
};

/** A name or a number 0 to 255; undefined for anything else. */
export function ipProtocolNumber(text: string): number | undefined {
  const number = IP_PROTOCOLS[text] ?? (/^\d{1,3}$/.test(text) ? Number(text) : undefined);
  return number === undefined || number > 255 ? undefined : number;
}
