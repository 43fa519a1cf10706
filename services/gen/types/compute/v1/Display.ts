// Original file: proto/compute/v1/compute_agent.proto


export interface Display {
  'width'?: (number);
  'height'?: (number);
}

export interface Display__Output {
  'width': (number);
  'height': (number);
}
