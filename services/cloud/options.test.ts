import { describe, expect, it } from 'vitest';
import { parseOptions } from './options.ts';

const parse = (argv: string[], env: Record<string, string> = {}) =>
  parseOptions(argv, { env, home: '/home/ada', hostname: 'laptop.example.org' });

describe('options', () => {
  it('have a default for all but the command', () => {
    expect(parse(['all'])).toMatchObject({
      command: 'all',
      state: '/home/ada/.local/share/cumulet',
      images: '/home/ada/.local/share/cumulet/images',
      listen: '127.0.0.1',
      port: 8787,
      nodes: 3,
      driver: 'emulator',
      host: 'laptop',
    });
  });

  it('prefer a flag to the environment and the environment to the default', () => {
    const env = { CUMULET_PORT: '1000', CUMULET_VXLAN_PORT: '14789', XDG_DATA_HOME: '/data' };
    expect(parse(['all', '--port', '2000'], env)).toMatchObject({
      port: 2000,
      vxlanPort: 14789,
      state: '/data/cumulet',
    });
  });

  it.each([
    [['upp'], "'upp' is no command"],
    [['all', 'now'], "'now' is one word too many"],
    [['all', '--port', 'x'], '--port x: give a whole number from 0 to 65535'],
    [['all', '--nodes', '0'], 'from 1 to 200'],
    [['all', '--driver', 'kvm'], 'there are emulator and fake'],
    [['all', '--colour'], "Unknown option '--colour'"],
    [['node'], 'give --nats'],
    [['controller', '--nats', 'nats://h:4222'], '--etcd'],
    [['node', '--nats', 'x', '--host', 'a_b'], 'letters, digits and dashes'],
  ])('refuse %j', (argv, message) => {
    expect(() => parse(argv)).toThrow(message);
  });
});
