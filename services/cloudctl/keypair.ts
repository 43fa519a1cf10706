// keypair: public keys that new servers let in. Without one to upload, a key pair is made here: the private key never
// leaves this machine.

import type { Command, Context } from './command.ts';
import { sorted } from './fields.ts';
import type { Fields } from './format.ts';
import type { Arguments } from './grammar.ts';
import { eachOf } from './many.ts';

const NAME = [{ name: 'name', help: 'name of the keypair' }];

async function create(context: Context, args: Arguments): Promise<Fields | undefined> {
  const { compute } = await context.cloud();
  const { readFile, writeFile } = await import('node:fs/promises');
  const name = args.must('name');
  const type = args.text('type') ?? 'ssh';
  const file = args.text('public-key');
  if (file !== undefined) {
    const key = (await readFile(file.replace(/^~(?=\/)/, context.io.env.HOME ?? '~'), 'utf8')).trim();
    return sorted(await compute.createKeypair({ name, public_key: key, type }), ['public_key']);
  }
  const { makeKeypair } = await import('./ssh-key.ts');
  const pair = await makeKeypair(name);
  // Private before public: a key that could not be saved must not let anybody in.
  const target = args.text('private-key');
  if (target !== undefined) await writeFile(target, pair.privateKey, { mode: 0o600, flag: 'wx' });
  const made = await compute.createKeypair({ name, public_key: pair.publicKey, type });
  if (target !== undefined) return sorted(made, ['public_key']);
  context.io.stdout(pair.privateKey);
  return undefined;
}

export const commands: readonly Command[] = [
  {
    words: 'keypair create',
    summary: 'Create a keypair: prints the private key, or uploads a public one',
    positionals: NAME,
    options: [
      { name: 'public-key', value: '<file>', help: 'upload this one' },
      { name: 'private-key', value: '<file>', help: 'where the new private key goes' },
      { name: 'type', value: '<type>', help: 'ssh (the default) or x509', choices: ['ssh', 'x509'] },
    ],
    output: 'show',
    run: create,
  },
  {
    words: 'keypair list',
    summary: 'List keypairs',
    output: 'list',
    async run(context) {
      const { compute } = await context.cloud();
      const keypairs = await compute.keypairs();
      return {
        columns: ['Name', 'Fingerprint', 'Type'],
        rows: keypairs.map((one) => [one.name, one.fingerprint, one.type ?? 'ssh']),
      };
    },
  },
  {
    words: 'keypair show',
    summary: 'Show a keypair',
    positionals: NAME,
    options: [{ name: 'public-key', help: 'print the public key alone' }],
    output: 'show',
    async run(context, args) {
      const { compute } = await context.cloud();
      const keypair = await compute.keypair(args.must('name'));
      if (!args.has('public-key')) return sorted(keypair, ['public_key']);
      context.io.stdout(`${keypair.public_key}\n`);
      return undefined;
    },
  },
  {
    words: 'keypair delete',
    summary: 'Delete keypairs',
    positionals: [{ name: 'name', help: 'name of the keypair', many: true }],
    output: 'none',
    async run(context, args) {
      const { compute } = await context.cloud();
      return eachOf(context, args.all('name'), 'keypair', 'delete', (name) => compute.deleteKeypair(name));
    },
  },
];
