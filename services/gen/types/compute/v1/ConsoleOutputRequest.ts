// Original file: proto/compute/v1/compute_agent.proto


export interface ConsoleOutputRequest {
  'instanceId'?: (string);
  'lines'?: (number);
}

export interface ConsoleOutputRequest__Output {
  'instanceId': (string);
  'lines': (number);
}
