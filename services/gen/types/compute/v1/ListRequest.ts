// Original file: proto/compute/v1/compute_agent.proto


export interface ListRequest {
}

export interface ListRequest__Output {
}
