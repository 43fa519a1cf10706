// Public face of network: the controller (intent to per-host state), the node's agent, and what a new cloud starts with.
export {
  type AgentCounters,
  createNetworkAgent,
  type NetworkAgent,
  type NetworkAgentComponents,
  type NetworkAgentInit,
  type Nic,
} from './agent/agent.ts';
export { createNetworkController, type NetworkControllerComponents } from './controller/controller.ts';
export { type NetworkSeedComponents, seedNetworks } from './seed.ts';
