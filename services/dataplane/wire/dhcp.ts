// DHCP messages (RFC 2131 section 2, options RFC 2132): bytes alone; what is answered is decided in layers/dhcp.ts.
import { type Ipv4, type Mac, macAt, setMac, setU32, u16, u32 } from './bytes.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
const OP = 0;
const HTYPE = 1;
const HLEN = 2;
const XID = 4;
const FLAGS = 10;
const CIADDR = 12;
const YIADDR = 16;
const SIADDR = 20;
const GIADDR = 24;
const CHADDR = 28;
const COOKIE = 236;
const OPTIONS = 240;
const MAGIC_COOKIE = 0x63825363;
const BROADCAST_FLAG = 0x8000;
/** Some old clients throw away what is shorter (RFC 1542 2.1: a BOOTP message has at least 300 bytes). */
const MIN_LENGTH = 300;

export const OPTION = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOST_NAME: 12,
  DOMAIN_NAME: 15,
  MTU: 26,
  BROADCAST: 28,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  MESSAGE_TYPE: 53,
  SERVER_ID: 54,
  RENEWAL_TIME: 58,
  REBINDING_TIME: 59,
  CLASSLESS_ROUTES: 121,
  END: 255,
} as const;

export const DHCP = { DISCOVER: 1, OFFER: 2, REQUEST: 3, DECLINE: 4, ACK: 5, NAK: 6, RELEASE: 7, INFORM: 8 } as const;

export interface DhcpRequest {
  readonly type: number;
  readonly xid: number;
  readonly broadcast: boolean;
  /** The address that the client has and uses; 0: none. */
  readonly ciaddr: Ipv4;
  readonly giaddr: Ipv4;
  readonly chaddr: Mac;
  readonly requestedAddress: Ipv4 | undefined;
  readonly serverId: Ipv4 | undefined;
}

/** Undefined for what is no well-formed request of an Ethernet client. Guests write these bytes: nothing is trusted. */
export function parseDhcp(bytes: Uint8Array): DhcpRequest | undefined {
  if (bytes.length < OPTIONS || bytes[OP] !== BOOTREQUEST || bytes[HTYPE] !== 1 || bytes[HLEN] !== 6) return undefined;
  if (u32(bytes, COOKIE) !== MAGIC_COOKIE) return undefined;
  let type = 0;
  let requestedAddress: number | undefined;
  let serverId: number | undefined;
  for (let at = OPTIONS; at < bytes.length; ) {
    const code = bytes[at]!;
    if (code === OPTION.END) break;
    if (code === OPTION.PAD) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    const value = at + 2;
    if (length === undefined || value + length > bytes.length) return undefined;
    if (code === OPTION.MESSAGE_TYPE && length === 1) type = bytes[value]!;
    else if (code === OPTION.REQUESTED_ADDRESS && length === 4) requestedAddress = u32(bytes, value);
    else if (code === OPTION.SERVER_ID && length === 4) serverId = u32(bytes, value);
    at = value + length;
  }
  if (type === 0) return undefined;
  return {
    type,
    xid: u32(bytes, XID),
    broadcast: (u16(bytes, FLAGS) & BROADCAST_FLAG) !== 0,
    ciaddr: u32(bytes, CIADDR),
    giaddr: u32(bytes, GIADDR),
    chaddr: macAt(bytes, CHADDR),
    requestedAddress,
    serverId,
  };
}

export type DhcpOptions = readonly (readonly [code: number, value: Uint8Array])[];

export interface DhcpReply {
  readonly type: number;
  readonly yiaddr: Ipv4;
  readonly siaddr: Ipv4;
  readonly options: DhcpOptions;
}

export function buildDhcpReply(request: DhcpRequest, reply: DhcpReply): Uint8Array {
  const size = reply.options.reduce((sum, [, value]) => sum + 2 + value.length, 3 + 1);
  const bytes = new Uint8Array(Math.max(OPTIONS + size, MIN_LENGTH));
  bytes[OP] = BOOTREPLY;
  bytes[HTYPE] = 1;
  bytes[HLEN] = 6;
  setU32(bytes, XID, request.xid);
  if (request.broadcast) bytes[FLAGS] = BROADCAST_FLAG >>> 8;
  // A NAK has no address of its client, not even its own (RFC 2131 table 3).
  setU32(bytes, CIADDR, reply.type === DHCP.ACK ? request.ciaddr : 0);
  setU32(bytes, YIADDR, reply.yiaddr);
  setU32(bytes, SIADDR, reply.siaddr);
  setU32(bytes, GIADDR, request.giaddr);
  setMac(bytes, CHADDR, request.chaddr);
  setU32(bytes, COOKIE, MAGIC_COOKIE);
  let at = OPTIONS;
  const put = (code: number, value: Uint8Array): void => {
    bytes[at] = code;
    bytes[at + 1] = value.length;
    bytes.set(value, at + 2);
    at += 2 + value.length;
  };
  put(OPTION.MESSAGE_TYPE, Uint8Array.of(reply.type));
  for (const [code, value] of reply.options) put(code, value);
  bytes[at] = OPTION.END;
  return bytes;
}

export function u32Bytes(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  for (const [index, value] of values.entries()) setU32(bytes, index * 4, value);
  return bytes;
}

export interface ClasslessRoute {
  readonly network: Ipv4;
  readonly length: number;
  /** 0: on the link. */
  readonly nexthop: Ipv4;
}

/** Option 121 (RFC 3442): each route is its length, the significant bytes of its network, and the next hop. */
export function encodeClasslessRoutes(routes: readonly ClasslessRoute[]): Uint8Array {
  const parts = routes.flatMap(({ network, length, nexthop }) => {
    const significant = u32Bytes(network).subarray(0, Math.ceil(length / 8));
    return [length, ...significant, ...u32Bytes(nexthop)];
  });
  return Uint8Array.from(parts);
}
