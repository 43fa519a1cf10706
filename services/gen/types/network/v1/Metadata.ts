// Original file: proto/network/v1/network_agent.proto


export interface Metadata {
  'found'?: (boolean);
  'files'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface Metadata__Output {
  'found': (boolean);
  'files': ({[key: string]: Buffer});
}
