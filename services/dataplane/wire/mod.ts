// Wire formats, one protocol a file: named offsets, getters and builders over bytes.
export * from './arp.ts';
export * from './bytes.ts';
export * from './checksum.ts';
export * from './dhcp.ts';
export * from './ethernet.ts';
export * from './icmp.ts';
export * from './ipv4.ts';
export * from './ipv6.ts';
export * from './tcp.ts';
export * from './udp.ts';
export * from './vnet-header.ts';
export * from './vxlan.ts';
