// Original file: proto/compute/v1/compute_agent.proto


export interface _compute_v1_ConsoleInput_Resize {
  'columns'?: (number);
  'rows'?: (number);
}

export interface _compute_v1_ConsoleInput_Resize__Output {
  'columns': (number);
  'rows': (number);
}

export interface ConsoleInput {
  'instanceId'?: (string);
  'data'?: (Buffer | Uint8Array | string);
  'resize'?: (_compute_v1_ConsoleInput_Resize | null);
  'phase'?: "instanceId"|"data"|"resize";
}

export interface ConsoleInput__Output {
  'instanceId'?: (string);
  'data'?: (Buffer);
  'resize'?: (_compute_v1_ConsoleInput_Resize__Output | null);
  'phase'?: "instanceId"|"data"|"resize";
}
