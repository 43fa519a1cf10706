// From the controller's message to the switch's configuration. Conversion alone: nothing is decided here.
import type { NetworkConfig, RouterConfig, SecurityGroupConfig, SecurityRuleConfig, SwitchConfig } from '#dataplane';
import type { networkV1 } from '#gen';

export const switchConfigOf = (state: networkV1.HostState__Output): SwitchConfig => ({
  networks: state.networks.map(networkConfigOf),
  routers: state.routers.map(routerConfigOf),
  securityGroups: state.securityGroups.map(groupConfigOf),
});

const routerConfigOf = ({ id, interfaces, routes }: networkV1.Router__Output): RouterConfig => ({
  id,
  interfaces,
  routes,
});

const groupConfigOf = ({ id, stateful, rules, members }: networkV1.SecurityGroup__Output): SecurityGroupConfig => ({
  id,
  stateful,
  rules: rules.map(ruleConfigOf),
  members,
});

const ruleConfigOf = (rule: networkV1.SecurityRule__Output): SecurityRuleConfig => ({
  id: rule.id,
  direction: rule.egress ? 'egress' : 'ingress',
  ipVersion: rule.ipVersion === 6 ? 6 : 4,
  protocol: orNull(rule.protocol),
  min: orNull(rule.min),
  max: orNull(rule.max),
  remoteCidr: rule.remoteCidr || null,
  remoteGroupId: rule.remoteGroupId || null,
});

/** -1 stands for any. */
const orNull = (value: number): number | null => (value < 0 ? null : value);

function networkConfigOf(network: networkV1.Network__Output): NetworkConfig {
  return {
    id: network.id,
    vni: network.vni === 0 ? null : network.vni,
    mtu: network.mtu,
    subnets: network.subnets.map((subnet) => ({ ...subnet, gatewayIp: subnet.gatewayIp || null })),
    ports: network.ports,
    remotes: network.remotes,
    vteps: network.vteps,
    routingVteps: network.routingVteps,
    gateways: network.gateways,
  };
}
