import { describe, expect, it } from 'vitest';
import { type Arguments, bind, type Option, type Syntax, scan, UsageError, usage } from './grammar.ts';

const syntax: Syntax = {
  words: 'server create',
  summary: 'Create a server',
  positionals: [{ name: 'server-name', help: 'name' }],
  options: [
    { name: 'flavor', value: '<flavor>', help: 'size', required: true },
    { name: 'network', value: '<network>', help: 'network', repeat: true },
    { name: 'nic', value: '<nic>', help: 'nic', repeat: true },
    { name: 'wait', help: 'wait' },
    { name: 'property', value: '<key=value>', help: 'property', repeat: true },
    { name: 'max', value: '<n>', help: 'count', integer: true },
    { name: 'format', short: 'f', value: '<format>', help: 'format', choices: ['json', 'yaml'] },
    { name: 'no-network', help: 'none' },
    { name: 'no-config-drive', help: 'none' },
  ],
};

function parse(...argv: string[]): Arguments {
  const { values, rest } = scan(argv, syntax.options as readonly Option[]);
  return bind(syntax, values, rest);
}

describe('options', () => {
  it.each([
    [['--flavor', 'm1', 'web']],
    [['web', '--flavor', 'm1']],
    [['--flavor=m1', 'web']],
    [['--fla', 'm1', 'web']],
  ])('may stand anywhere, with a space, an equals sign or a unique beginning: %j', (argv) => {
    const args = parse(...argv);
    expect(args.text('flavor')).toBe('m1');
    expect(args.must('server-name')).toBe('web');
  });

  it('repeat in the order given; the last one counts where one is wanted', () => {
    const args = parse('web', '--flavor', 'a', '--flavor', 'b', '--network', 'x', '--network', 'y');
    expect(args.text('flavor')).toBe('b');
    expect(args.all('network')).toEqual(['x', 'y']);
  });

  it('have short forms, joined to their value or not', () => {
    expect(parse('web', '--flavor', 'a', '-f', 'json').text('format')).toBe('json');
    expect(parse('web', '--flavor', 'a', '-fyaml').text('format')).toBe('yaml');
  });

  it('carry pairs, of which the value may hold an equals sign', () => {
    expect(parse('w', '--flavor', 'a', '--property', 'k=v=w').pairs('property')).toEqual({ k: 'v=w' });
    expect(parse('w', '--flavor', 'a', '--nic', 'net-id=1,v4-fixed-ip=10.0.0.5').records('nic')).toEqual([
      { 'net-id': '1', 'v4-fixed-ip': '10.0.0.5' },
    ]);
  });

  it('end at --, and a value may start with a dash', () => {
    expect(parse('--flavor', 'a', '--', '--web').must('server-name')).toBe('--web');
    expect(parse('web', '--flavor', '-5').text('flavor')).toBe('-5');
  });
});

describe('a wrong command line is refused', () => {
  it.each([
    [['--flavor', 'a'], 'the following arguments are required: <server-name>'],
    [['web'], 'the following arguments are required: --flavor'],
    [[], 'the following arguments are required: <server-name>, --flavor'],
    [['web', 'more', '--flavor', 'a'], 'unrecognized arguments: more'],
    [['web', '--flavour', 'a'], 'unrecognized arguments: --flavour'],
    [['web', '--flavor'], 'argument --flavor: expected one argument'],
    [['web', '--flavor', '--wait'], 'argument --flavor: expected one argument'],
    [['web', '--n', 'a'], 'ambiguous option: --n could match --network, --nic, --no-network, --no-config-drive'],
    [['web', '--flavor', 'a', '--wait=yes'], "argument --wait: ignored explicit argument 'yes'"],
    [['web', '--flavor', 'a', '--max', 'two'], "argument --max: invalid int value: 'two'"],
    [['web', '--flavor', 'a', '-f', 'xml'], "argument --format: invalid choice: 'xml' (choose from 'json', 'yaml')"],
    [['web', '--flavor', 'a', '-x'], 'unrecognized arguments: -x'],
  ])('%j: %s', (argv, message) => {
    expect(() => parse(...argv)).toThrow(new UsageError(message));
  });

  it('so is a pair without a value', () => {
    expect(() => parse('w', '--flavor', 'a', '--property', 'k').pairs('property')).toThrow(
      "argument --property: Expected 'key=value' type, but got: k",
    );
  });
});

it('the usage shows what is required without brackets and stays within the line', () => {
  const text = usage('cloudctl', syntax);
  expect(text.startsWith('usage: cloudctl server create --flavor <flavor> [--network <network>]')).toBe(true);
  expect(text.endsWith('<server-name>')).toBe(true);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});
