// Original file: proto/compute/v1/compute_agent.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ConsoleChunk as _compute_v1_ConsoleChunk, ConsoleChunk__Output as _compute_v1_ConsoleChunk__Output } from '../../compute/v1/ConsoleChunk.ts';
import type { ConsoleInput as _compute_v1_ConsoleInput, ConsoleInput__Output as _compute_v1_ConsoleInput__Output } from '../../compute/v1/ConsoleInput.ts';
import type { ConsoleOutputRequest as _compute_v1_ConsoleOutputRequest, ConsoleOutputRequest__Output as _compute_v1_ConsoleOutputRequest__Output } from '../../compute/v1/ConsoleOutputRequest.ts';
import type { ConsoleOutputResponse as _compute_v1_ConsoleOutputResponse, ConsoleOutputResponse__Output as _compute_v1_ConsoleOutputResponse__Output } from '../../compute/v1/ConsoleOutputResponse.ts';
import type { InspectRequest as _compute_v1_InspectRequest, InspectRequest__Output as _compute_v1_InspectRequest__Output } from '../../compute/v1/InspectRequest.ts';
import type { InspectResponse as _compute_v1_InspectResponse, InspectResponse__Output as _compute_v1_InspectResponse__Output } from '../../compute/v1/InspectResponse.ts';
import type { StatsRequest as _compute_v1_StatsRequest, StatsRequest__Output as _compute_v1_StatsRequest__Output } from '../../compute/v1/StatsRequest.ts';
import type { StatsResponse as _compute_v1_StatsResponse, StatsResponse__Output as _compute_v1_StatsResponse__Output } from '../../compute/v1/StatsResponse.ts';
import type { TranslateRequest as _compute_v1_TranslateRequest, TranslateRequest__Output as _compute_v1_TranslateRequest__Output } from '../../compute/v1/TranslateRequest.ts';
import type { TranslateResponse as _compute_v1_TranslateResponse, TranslateResponse__Output as _compute_v1_TranslateResponse__Output } from '../../compute/v1/TranslateResponse.ts';

export interface ComputeAgentServiceClient extends grpc.Client {
  AttachConsole(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  AttachConsole(options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  attachConsole(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  attachConsole(options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  
  AttachDisplay(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  AttachDisplay(options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  attachDisplay(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  attachDisplay(options?: grpc.CallOptions): grpc.ClientDuplexStream<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk__Output>;
  
  GetConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  GetConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  GetConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  GetConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  getConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  getConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  getConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  getConsoleOutput(argument: _compute_v1_ConsoleOutputRequest, callback: grpc.requestCallback<_compute_v1_ConsoleOutputResponse__Output>): grpc.ClientUnaryCall;
  
  GetStats(argument: _compute_v1_StatsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  GetStats(argument: _compute_v1_StatsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  GetStats(argument: _compute_v1_StatsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  GetStats(argument: _compute_v1_StatsRequest, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  getStats(argument: _compute_v1_StatsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  getStats(argument: _compute_v1_StatsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  getStats(argument: _compute_v1_StatsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  getStats(argument: _compute_v1_StatsRequest, callback: grpc.requestCallback<_compute_v1_StatsResponse__Output>): grpc.ClientUnaryCall;
  
  Inspect(argument: _compute_v1_InspectRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  Inspect(argument: _compute_v1_InspectRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  Inspect(argument: _compute_v1_InspectRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  Inspect(argument: _compute_v1_InspectRequest, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  inspect(argument: _compute_v1_InspectRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  inspect(argument: _compute_v1_InspectRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  inspect(argument: _compute_v1_InspectRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  inspect(argument: _compute_v1_InspectRequest, callback: grpc.requestCallback<_compute_v1_InspectResponse__Output>): grpc.ClientUnaryCall;
  
  Translate(argument: _compute_v1_TranslateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  Translate(argument: _compute_v1_TranslateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  Translate(argument: _compute_v1_TranslateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  Translate(argument: _compute_v1_TranslateRequest, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  translate(argument: _compute_v1_TranslateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  translate(argument: _compute_v1_TranslateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  translate(argument: _compute_v1_TranslateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  translate(argument: _compute_v1_TranslateRequest, callback: grpc.requestCallback<_compute_v1_TranslateResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface ComputeAgentServiceHandlers extends grpc.UntypedServiceImplementation {
  AttachConsole: grpc.handleBidiStreamingCall<_compute_v1_ConsoleInput__Output, _compute_v1_ConsoleChunk>;
  
  AttachDisplay: grpc.handleBidiStreamingCall<_compute_v1_ConsoleInput__Output, _compute_v1_ConsoleChunk>;
  
  GetConsoleOutput: grpc.handleUnaryCall<_compute_v1_ConsoleOutputRequest__Output, _compute_v1_ConsoleOutputResponse>;
  
  GetStats: grpc.handleUnaryCall<_compute_v1_StatsRequest__Output, _compute_v1_StatsResponse>;
  
  Inspect: grpc.handleUnaryCall<_compute_v1_InspectRequest__Output, _compute_v1_InspectResponse>;
  
  Translate: grpc.handleUnaryCall<_compute_v1_TranslateRequest__Output, _compute_v1_TranslateResponse>;
  
}

export interface ComputeAgentServiceDefinition extends grpc.ServiceDefinition {
  AttachConsole: MethodDefinition<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk, _compute_v1_ConsoleInput__Output, _compute_v1_ConsoleChunk__Output>
  AttachDisplay: MethodDefinition<_compute_v1_ConsoleInput, _compute_v1_ConsoleChunk, _compute_v1_ConsoleInput__Output, _compute_v1_ConsoleChunk__Output>
  GetConsoleOutput: MethodDefinition<_compute_v1_ConsoleOutputRequest, _compute_v1_ConsoleOutputResponse, _compute_v1_ConsoleOutputRequest__Output, _compute_v1_ConsoleOutputResponse__Output>
  GetStats: MethodDefinition<_compute_v1_StatsRequest, _compute_v1_StatsResponse, _compute_v1_StatsRequest__Output, _compute_v1_StatsResponse__Output>
  Inspect: MethodDefinition<_compute_v1_InspectRequest, _compute_v1_InspectResponse, _compute_v1_InspectRequest__Output, _compute_v1_InspectResponse__Output>
  Translate: MethodDefinition<_compute_v1_TranslateRequest, _compute_v1_TranslateResponse, _compute_v1_TranslateRequest__Output, _compute_v1_TranslateResponse__Output>
}
