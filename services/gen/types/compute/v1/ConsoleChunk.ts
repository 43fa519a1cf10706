// Original file: proto/compute/v1/compute_agent.proto


export interface ConsoleChunk {
  'data'?: (Buffer | Uint8Array | string);
}

export interface ConsoleChunk__Output {
  'data': (Buffer);
}
