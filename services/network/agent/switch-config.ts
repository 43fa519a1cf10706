// From the controller's message to the switch's configuration. Conversion alone: nothing is decided here.
import type { NetworkConfig, SwitchConfig } from '#dataplane';
import type { networkV1 } from '#gen';

export const switchConfigOf = (state: networkV1.HostState__Output): SwitchConfig => ({
  networks: state.networks.map(networkConfigOf),
});

function networkConfigOf(network: networkV1.Network__Output): NetworkConfig {
  return {
    id: network.id,
    vni: network.vni === 0 ? null : network.vni,
    mtu: network.mtu,
    subnets: network.subnets.map((subnet) => ({ ...subnet, gatewayIp: subnet.gatewayIp || null })),
    ports: network.ports,
    remotes: network.remotes,
    vteps: network.vteps,
    gateways: network.gateways,
  };
}
