// Original file: proto/compute/v1/compute_agent.proto


export interface Nic {
  'portId'?: (string);
  'macAddress'?: (string);
  'mtu'?: (number);
}

export interface Nic__Output {
  'portId': (string);
  'macAddress': (string);
  'mtu': (number);
}
