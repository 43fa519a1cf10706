import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { ComputeAgentServiceClient as _compute_v1_ComputeAgentServiceClient, ComputeAgentServiceDefinition as _compute_v1_ComputeAgentServiceDefinition } from './compute/v1/ComputeAgentService.ts';
import type { ConsoleChunk as _compute_v1_ConsoleChunk, ConsoleChunk__Output as _compute_v1_ConsoleChunk__Output } from './compute/v1/ConsoleChunk.ts';
import type { ConsoleInput as _compute_v1_ConsoleInput, ConsoleInput__Output as _compute_v1_ConsoleInput__Output } from './compute/v1/ConsoleInput.ts';
import type { ConsoleOutputRequest as _compute_v1_ConsoleOutputRequest, ConsoleOutputRequest__Output as _compute_v1_ConsoleOutputRequest__Output } from './compute/v1/ConsoleOutputRequest.ts';
import type { ConsoleOutputResponse as _compute_v1_ConsoleOutputResponse, ConsoleOutputResponse__Output as _compute_v1_ConsoleOutputResponse__Output } from './compute/v1/ConsoleOutputResponse.ts';
import type { DestroyRequest as _compute_v1_DestroyRequest, DestroyRequest__Output as _compute_v1_DestroyRequest__Output } from './compute/v1/DestroyRequest.ts';
import type { DestroyResponse as _compute_v1_DestroyResponse, DestroyResponse__Output as _compute_v1_DestroyResponse__Output } from './compute/v1/DestroyResponse.ts';
import type { Disk as _compute_v1_Disk, Disk__Output as _compute_v1_Disk__Output } from './compute/v1/Disk.ts';
import type { Display as _compute_v1_Display, Display__Output as _compute_v1_Display__Output } from './compute/v1/Display.ts';
import type { Heartbeat as _compute_v1_Heartbeat, Heartbeat__Output as _compute_v1_Heartbeat__Output } from './compute/v1/Heartbeat.ts';
import type { InspectRequest as _compute_v1_InspectRequest, InspectRequest__Output as _compute_v1_InspectRequest__Output } from './compute/v1/InspectRequest.ts';
import type { InspectResponse as _compute_v1_InspectResponse, InspectResponse__Output as _compute_v1_InspectResponse__Output } from './compute/v1/InspectResponse.ts';
import type { InstanceSpec as _compute_v1_InstanceSpec, InstanceSpec__Output as _compute_v1_InstanceSpec__Output } from './compute/v1/InstanceSpec.ts';
import type { ListRequest as _compute_v1_ListRequest, ListRequest__Output as _compute_v1_ListRequest__Output } from './compute/v1/ListRequest.ts';
import type { ListResponse as _compute_v1_ListResponse, ListResponse__Output as _compute_v1_ListResponse__Output } from './compute/v1/ListResponse.ts';
import type { Nic as _compute_v1_Nic, Nic__Output as _compute_v1_Nic__Output } from './compute/v1/Nic.ts';
import type { Observed as _compute_v1_Observed, Observed__Output as _compute_v1_Observed__Output } from './compute/v1/Observed.ts';
import type { PowerRequest as _compute_v1_PowerRequest, PowerRequest__Output as _compute_v1_PowerRequest__Output } from './compute/v1/PowerRequest.ts';
import type { PowerResponse as _compute_v1_PowerResponse, PowerResponse__Output as _compute_v1_PowerResponse__Output } from './compute/v1/PowerResponse.ts';
import type { Resources as _compute_v1_Resources, Resources__Output as _compute_v1_Resources__Output } from './compute/v1/Resources.ts';
import type { SpawnRequest as _compute_v1_SpawnRequest, SpawnRequest__Output as _compute_v1_SpawnRequest__Output } from './compute/v1/SpawnRequest.ts';
import type { SpawnResponse as _compute_v1_SpawnResponse, SpawnResponse__Output as _compute_v1_SpawnResponse__Output } from './compute/v1/SpawnResponse.ts';
import type { StatsRequest as _compute_v1_StatsRequest, StatsRequest__Output as _compute_v1_StatsRequest__Output } from './compute/v1/StatsRequest.ts';
import type { StatsResponse as _compute_v1_StatsResponse, StatsResponse__Output as _compute_v1_StatsResponse__Output } from './compute/v1/StatsResponse.ts';
import type { TranslateRequest as _compute_v1_TranslateRequest, TranslateRequest__Output as _compute_v1_TranslateRequest__Output } from './compute/v1/TranslateRequest.ts';
import type { TranslateResponse as _compute_v1_TranslateResponse, TranslateResponse__Output as _compute_v1_TranslateResponse__Output } from './compute/v1/TranslateResponse.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  compute: {
    v1: {
      ComputeAgentService: SubtypeConstructor<typeof grpc.Client, _compute_v1_ComputeAgentServiceClient> & { service: _compute_v1_ComputeAgentServiceDefinition }
      ConsoleChunk: MessageTypeDefinition<_compute_v1_ConsoleChunk, _compute_v1_ConsoleChunk__Output>
      ConsoleInput: MessageTypeDefinition<_compute_v1_ConsoleInput, _compute_v1_ConsoleInput__Output>
      ConsoleOutputRequest: MessageTypeDefinition<_compute_v1_ConsoleOutputRequest, _compute_v1_ConsoleOutputRequest__Output>
      ConsoleOutputResponse: MessageTypeDefinition<_compute_v1_ConsoleOutputResponse, _compute_v1_ConsoleOutputResponse__Output>
      DestroyRequest: MessageTypeDefinition<_compute_v1_DestroyRequest, _compute_v1_DestroyRequest__Output>
      DestroyResponse: MessageTypeDefinition<_compute_v1_DestroyResponse, _compute_v1_DestroyResponse__Output>
      Disk: MessageTypeDefinition<_compute_v1_Disk, _compute_v1_Disk__Output>
      Display: MessageTypeDefinition<_compute_v1_Display, _compute_v1_Display__Output>
      Heartbeat: MessageTypeDefinition<_compute_v1_Heartbeat, _compute_v1_Heartbeat__Output>
      InspectRequest: MessageTypeDefinition<_compute_v1_InspectRequest, _compute_v1_InspectRequest__Output>
      InspectResponse: MessageTypeDefinition<_compute_v1_InspectResponse, _compute_v1_InspectResponse__Output>
      InstanceSpec: MessageTypeDefinition<_compute_v1_InstanceSpec, _compute_v1_InstanceSpec__Output>
      ListRequest: MessageTypeDefinition<_compute_v1_ListRequest, _compute_v1_ListRequest__Output>
      ListResponse: MessageTypeDefinition<_compute_v1_ListResponse, _compute_v1_ListResponse__Output>
      Nic: MessageTypeDefinition<_compute_v1_Nic, _compute_v1_Nic__Output>
      Observed: MessageTypeDefinition<_compute_v1_Observed, _compute_v1_Observed__Output>
      PowerAction: EnumTypeDefinition
      PowerRequest: MessageTypeDefinition<_compute_v1_PowerRequest, _compute_v1_PowerRequest__Output>
      PowerResponse: MessageTypeDefinition<_compute_v1_PowerResponse, _compute_v1_PowerResponse__Output>
      PowerState: EnumTypeDefinition
      Resources: MessageTypeDefinition<_compute_v1_Resources, _compute_v1_Resources__Output>
      SpawnRequest: MessageTypeDefinition<_compute_v1_SpawnRequest, _compute_v1_SpawnRequest__Output>
      SpawnResponse: MessageTypeDefinition<_compute_v1_SpawnResponse, _compute_v1_SpawnResponse__Output>
      StatsRequest: MessageTypeDefinition<_compute_v1_StatsRequest, _compute_v1_StatsRequest__Output>
      StatsResponse: MessageTypeDefinition<_compute_v1_StatsResponse, _compute_v1_StatsResponse__Output>
      TranslateRequest: MessageTypeDefinition<_compute_v1_TranslateRequest, _compute_v1_TranslateRequest__Output>
      TranslateResponse: MessageTypeDefinition<_compute_v1_TranslateResponse, _compute_v1_TranslateResponse__Output>
    }
  }
}

