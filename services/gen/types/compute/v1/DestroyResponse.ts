// Original file: proto/compute/v1/compute_agent.proto


export interface DestroyResponse {
}

export interface DestroyResponse__Output {
}
