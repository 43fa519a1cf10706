// Original file: proto/compute/v1/compute_agent.proto


export interface ConsoleOutputResponse {
  'output'?: (Buffer | Uint8Array | string);
}

export interface ConsoleOutputResponse__Output {
  'output': (Buffer);
}
