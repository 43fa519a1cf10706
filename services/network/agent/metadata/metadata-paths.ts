// What each path of the metadata service answers, over the tree of files that the controller made. Pure. As Nova does
// (nova/api/metadata): directories list their entries, EC2's part is a tree of values below meta-data/.

export type MetadataTree = ReadonlyMap<string, Uint8Array>;

export interface MetadataReply {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array | string;
}

const TEXT = 'text/plain; charset=UTF-8';
const NOT_FOUND: MetadataReply = { status: 404, type: TEXT, body: '404 Not Found\n' };

/** How a directory wants to be listed, where not by its own name: `0=key` below public-keys/. */
const NAME = '_name';

type Ec2Value = string | number | { readonly [name: string]: Ec2Value };

export function metadataReply(tree: MetadataTree, path: string): MetadataReply {
  const parts = path.split('/').filter((part) => part !== '');
  const [first, ...rest] = parts;
  if (first === undefined) return text([...ec2Versions(tree), 'openstack'].join('\n'));
  return first === 'openstack' ? openstackReply(tree, parts) : ec2Reply(tree, first, rest);
}

const text = (body: string): MetadataReply => ({ status: 200, type: TEXT, body });

function openstackReply(tree: MetadataTree, parts: readonly string[]): MetadataReply {
  const path = parts.join('/');
  const file = tree.get(path);
  if (file !== undefined) return { status: 200, type: typeOf(path), body: file };
  const names = namesBelow(tree, `${path}/`);
  return names.length === 0 ? NOT_FOUND : text(names.join('\n'));
}

function typeOf(path: string): string {
  if (path.endsWith('.json')) return 'application/json';
  return path.endsWith('user_data') ? 'application/octet-stream' : TEXT;
}

/** The first path segments below a prefix; a directory ends in a slash. */
function namesBelow(tree: MetadataTree, prefix: string): string[] {
  const names = new Set<string>();
  for (const path of tree.keys()) {
    if (!path.startsWith(prefix)) continue;
    const [name = '', ...deeper] = path.slice(prefix.length).split('/');
    names.add(deeper.length > 0 ? `${name}/` : name);
  }
  return [...names];
}

const ec2Versions = (tree: MetadataTree): string[] => namesBelow(tree, 'ec2/').map((name) => name.replace('/', ''));

function ec2Reply(tree: MetadataTree, version: string, [kind, ...path]: readonly string[]): MetadataReply {
  const file = tree.get(`ec2/${version}/meta-data.json`);
  if (file === undefined) return NOT_FOUND;
  const userData = tree.get(`ec2/${version}/user-data`);
  switch (kind) {
    case undefined:
      return text(userData === undefined ? 'meta-data/' : 'meta-data/\nuser-data');
    case 'user-data':
      if (userData === undefined || path.length > 0) return NOT_FOUND;
      return { status: 200, type: 'application/octet-stream', body: userData };
    case 'meta-data':
      return ec2Value(JSON.parse(new TextDecoder().decode(file)), path);
    default:
      return NOT_FOUND;
  }
}

function ec2Value(root: Ec2Value, path: readonly string[]): MetadataReply {
  let value: Ec2Value | undefined = root;
  for (const name of path) {
    value = typeof value === 'object' && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  if (value === undefined) return NOT_FOUND;
  if (typeof value !== 'object') return text(String(value));
  const names = Object.entries(value)
    .filter(([name]) => name !== NAME)
    .map(([name, below]) => (typeof below === 'object' ? String(below[NAME] ?? `${name}/`) : name));
  return text(names.join('\n'));
}
