import { describe, expect, it } from 'vitest';
import { hostnameFrom, instanceName } from './server.ts';
import { type NicView, networkData } from './server-metadata.ts';

const nic = (enableDhcp: boolean): NicView =>
  ({
    port: {
      id: '11111111-2222-4333-8444-555555555555',
      networkId: 'net',
      macAddress: 'fa:16:3e:00:00:01',
      fixedIps: [{ subnetId: 'sub', ipAddress: '10.0.0.5' }],
    },
    network: { id: 'net', mtu: 1500 },
    subnets: [
      {
        id: 'sub',
        cidr: '10.0.0.0/20',
        ipVersion: 4,
        enableDhcp,
        gatewayIp: '10.0.0.1',
        dnsNameservers: ['9.9.9.9'],
        hostRoutes: [{ destination: '192.168.0.0/16', nexthop: '10.0.0.2' }],
      },
    ],
  }) as unknown as NicView;

describe('network_data.json', () => {
  it('leaves the address to DHCP where the subnet has it', () => {
    expect(networkData([nic(true)])).toEqual({
      links: [
        {
          id: 'tap11111111-22',
          vif_id: '11111111-2222-4333-8444-555555555555',
          type: 'phy',
          mtu: 1500,
          ethernet_mac_address: 'fa:16:3e:00:00:01',
        },
      ],
      networks: [{ id: 'network0', link: 'tap11111111-22', network_id: 'net', type: 'ipv4_dhcp' }],
      services: [{ type: 'dns', address: '9.9.9.9' }],
    });
  });

  it('says address, mask and routes where it has not', () => {
    expect(networkData([nic(false)])).toMatchObject({
      networks: [
        {
          type: 'ipv4',
          ip_address: '10.0.0.5',
          netmask: '255.255.240.0',
          routes: [
            { network: '0.0.0.0', netmask: '0.0.0.0', gateway: '10.0.0.1' },
            { network: '192.168.0.0', netmask: '255.255.0.0', gateway: '10.0.0.2' },
          ],
        },
      ],
    });
  });
});

describe('names', () => {
  it.each([
    ['web1', 'web1'],
    ['My Web_Server!', 'my-web-server'],
    ['a.b.c', 'a-b-c'],
    ['-x-', 'x'],
    ['日本', 'fallback'],
    ['x'.repeat(80), 'x'.repeat(63)],
  ])('the host name of %s is %s', (name, expected) => {
    expect(hostnameFrom(name, 'fallback')).toBe(expected);
  });

  it('instances count in hexadecimal', () => {
    expect(instanceName({ number: 10 })).toBe('instance-0000000a');
  });
});
