// What a program of the cloud is told at its start: flags first, then CUMULET_* in the environment, then defaults.
// Pure: the environment is passed in.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CumuletError } from '#base';

export const COMMANDS = ['all', 'controller', 'node', 'down', 'clean-state', 'help'] as const;
export type Command = (typeof COMMANDS)[number];

export type DriverName = 'emulator' | 'fake';

export interface CloudOptions {
  readonly command: Command;
  /** Everything that the cloud keeps lies under this folder. */
  readonly state: string;
  readonly listen: string;
  readonly port: number;
  /** Number of nodes of `all`. */
  readonly nodes: number;
  readonly driver: DriverName;
  /** Name of the node that `node` runs. */
  readonly host: string;
  /** etcd endpoints, comma-separated; none: the embedded store. */
  readonly etcd: readonly string[];
  /** NATS servers, comma-separated; none: the in-process bus. */
  readonly nats: readonly string[];
  /** The folder of the shared image store. */
  readonly images: string;
  /** Address that this node's VTEP and gRPC service listen on. */
  readonly address: string;
  /** UDP port of the VTEPs; 4789 is VXLAN's own. */
  readonly vxlanPort: number;
  /** Write clouds.yaml and openrc for the user. */
  readonly writeCredentials: boolean;
}

export const USAGE = `cumulet: an OpenStack-compatible cloud

  cumulet all           controller and nodes in one process, embedded store and bus (what 'make up' runs)
  cumulet controller    the controller alone, over etcd and NATS
  cumulet node          one node agent, over NATS
  cumulet down          stops the cloud that runs on this state folder; guests are saved to disk first
  cumulet clean-state   ends every guest of this state folder and forgets everything
  cumulet help          this text

  --state DIR       where everything is kept            (CUMULET_STATE; ~/.local/share/cumulet)
  --listen ADDR     address of the API                  (CUMULET_LISTEN; 127.0.0.1)
  --port N          port of the API                     (CUMULET_PORT; 8787)
  --nodes N         how many nodes 'all' runs           (CUMULET_NODES; 3)
  --driver NAME     emulator | fake: what runs guests   (CUMULET_DRIVER; emulator)
  --host NAME       name of the node that 'node' runs   (CUMULET_HOST; the machine's name)
  --etcd URLS       etcd endpoints, comma-separated     (CUMULET_ETCD)
  --nats URLS       NATS servers, comma-separated       (CUMULET_NATS)
  --images DIR      the shared image store              (CUMULET_IMAGES; DIR/images of the state folder)
  --address ADDR    address of this node for its peers  (CUMULET_ADDRESS; 127.0.0.1)
  --vxlan-port N    UDP port of the tunnels             (CUMULET_VXLAN_PORT; 4789)
  --no-credentials  write no clouds.yaml and no openrc
`;

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly hostname: string;
}

const FLAGS = {
  state: { type: 'string' },
  listen: { type: 'string' },
  port: { type: 'string' },
  nodes: { type: 'string' },
  driver: { type: 'string' },
  host: { type: 'string' },
  etcd: { type: 'string' },
  nats: { type: 'string' },
  images: { type: 'string' },
  address: { type: 'string' },
  'vxlan-port': { type: 'string' },
  'no-credentials': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Throws CumuletError 'invalid' that says which word is wrong and what is possible. */
export function parseOptions(argv: readonly string[], surroundings: Surroundings): CloudOptions {
  const { values, positionals } = parse(argv);
  const { env, home, hostname } = surroundings;
  const text = (flag: keyof typeof FLAGS, fallback: string): string => {
    const given = values[flag];
    return typeof given === 'string' ? given : (env[`CUMULET_${flag.toUpperCase().replaceAll('-', '_')}`] ?? fallback);
  };
  const command = values.help === true ? 'help' : (positionals[0] ?? 'help');
  if (!isOneOf(COMMANDS, command)) {
    throw new CumuletError('invalid', `'${command}' is no command of cumulet; there are ${COMMANDS.join(', ')}`);
  }
  if (positionals.length > 1) throw new CumuletError('invalid', `'${positionals[1]}' is one word too many`);
  const driver = text('driver', 'emulator');
  if (!isOneOf(['emulator', 'fake'] as const, driver)) {
    throw new CumuletError('invalid', `--driver ${driver}: there are emulator and fake`);
  }
  const state = text('state', join(env.XDG_DATA_HOME ?? join(home, '.local', 'share'), 'cumulet'));
  const options: CloudOptions = {
    command,
    state,
    listen: text('listen', '127.0.0.1'),
    port: wholeNumber('--port', text('port', '8787'), 0, 65_535),
    nodes: wholeNumber('--nodes', text('nodes', '3'), 1, 200),
    driver,
    host: hostName(text('host', hostname)),
    etcd: list(text('etcd', '')),
    nats: list(text('nats', '')),
    images: text('images', join(state, 'images')),
    address: text('address', '127.0.0.1'),
    vxlanPort: wholeNumber('--vxlan-port', text('vxlan-port', '4789'), 0, 65_535),
    writeCredentials: values['no-credentials'] !== true,
  };
  checkTogether(options);
  return options;
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new CumuletError('invalid', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function checkTogether(options: CloudOptions): void {
  if (options.command === 'node' && options.nats.length === 0) {
    throw new CumuletError('invalid', 'a node of its own meets its controller over NATS: give --nats nats://HOST:4222');
  }
  if (options.command === 'controller' && (options.nats.length === 0 || options.etcd.length === 0)) {
    throw new CumuletError(
      'invalid',
      'a controller of its own needs --etcd http://HOST:2379 and --nats nats://HOST:4222',
    );
  }
}

const isOneOf = <T extends string>(words: readonly T[], word: string): word is T => words.includes(word as T);

const list = (text: string): string[] => text.split(',').filter((part) => part !== '');

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && text.trim() !== '' && value >= least && value <= most) return value;
  throw new CumuletError('invalid', `${flag} ${text}: give a whole number from ${least} to ${most}`);
}

/** A host's name is a token of bus subjects: letters, digits and dashes alone. */
function hostName(text: string): string {
  const name = text.split('.')[0] ?? '';
  if (/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/.test(name)) return name;
  throw new CumuletError('invalid', `--host ${text}: a host's name has letters, digits and dashes, at most 63`);
}
