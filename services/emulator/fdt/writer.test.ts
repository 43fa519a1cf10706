import { expect, it } from 'vitest';
import { boardDevicetree } from '../board/devicetree.ts';
import { type FdtNode, writeFdt } from './writer.ts';

interface Parsed {
  readonly properties: Record<string, Uint8Array>;
  readonly children: Record<string, Parsed>;
}

/** Reads a blob as the specification says, without the writer's code. */
function parse(blob: Uint8Array): Parsed {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  expect(view.getUint32(0)).toBe(0xd00dfeed);
  expect(view.getUint32(4)).toBe(blob.length);
  const strings = view.getUint32(12);
  const text = (at: number): string => new TextDecoder().decode(blob.subarray(at, blob.indexOf(0, at)));
  let at = view.getUint32(8);
  const node = (): [string, Parsed] => {
    expect(view.getUint32(at)).toBe(1);
    const name = text(at + 4);
    at = (at + 4 + name.length + 1 + 3) & ~3;
    const parsed: Parsed = { properties: {}, children: {} };
    for (;;) {
      const token = view.getUint32(at);
      if (token === 3) {
        const length = view.getUint32(at + 4);
        parsed.properties[text(strings + view.getUint32(at + 8))] = blob.slice(at + 12, at + 12 + length);
        at = (at + 12 + length + 3) & ~3;
      } else if (token === 1) {
        const [child, content] = node();
        parsed.children[child] = content;
      } else {
        expect(token).toBe(2);
        at += 4;
        return [name, parsed];
      }
    }
  };
  const [name, root] = node();
  expect([name, view.getUint32(at)]).toEqual(['', 9]);
  return root;
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

it('writes what a reader of the specification finds again', () => {
  const tree: FdtNode = {
    name: '',
    properties: {
      word: { cells: [0x12345678, 2] },
      empty: true,
      text: 'abc',
      list: ['a', 'bc'],
      raw: Uint8Array.of(1, 2, 3),
    },
    children: [{ name: 'child@1', properties: { word: { cells: [1] } }, children: [{ name: 'leaf', properties: {} }] }],
  };
  const root = parse(writeFdt(tree));
  expect([...root.properties.word!]).toEqual([0x12, 0x34, 0x56, 0x78, 0, 0, 0, 2]);
  expect([
    root.properties.empty!.length,
    text(root.properties.text),
    text(root.properties.list),
    [...root.properties.raw!],
  ]).toEqual([0, 'abc\0', 'a\0bc\0', [1, 2, 3]]);
  expect(Object.keys(root.children['child@1']!.children)).toEqual(['leaf']);
});

it('describes the board: OpenStack in its model, each hart with its interrupt lines, each slot with its source', () => {
  const root = parse(
    boardDevicetree({
      harts: 3,
      extensions: ['i', 'm', 'zicsr'],
      mmuType: 'riscv,sv48',
      cacheBlock: 64,
      memoryBytes: 1 << 29,
      virtioSlots: 10,
      bootargs: 'quiet',
      initrd: [0x8100_0000, 0x8100_1000],
      rngSeed: new Uint8Array(32).fill(7),
    }),
  );
  expect(text(root.properties.model)).toMatch(/OpenStack/);
  expect(text(root.properties.compatible)).toMatch(/riscv-virtio/);
  expect(text(root.children.chosen!.properties.bootargs)).toBe('quiet\0');
  expect(root.children.chosen!.properties['rng-seed']!.length).toBe(32);
  expect([...root.children.chosen!.properties['linux,initrd-end']!]).toEqual([0, 0, 0, 0, 0x81, 0, 0x10, 0]);
  const cpus = root.children.cpus!.children;
  expect(Object.keys(cpus)).toEqual(['cpu@0', 'cpu@1', 'cpu@2', 'cpu-map']);
  expect(text(cpus['cpu@2']!.properties['riscv,isa'])).toBe('rv64im_zicsr\0');
  const soc = root.children.soc!.children;
  expect(soc['plic@c000000']!.properties['interrupts-extended']!.length).toBe(3 * 2 * 8);
  expect([...soc['virtio_mmio@10008000']!.properties.interrupts!]).toEqual([0, 0, 0, 8]);
  expect([...soc['virtio_mmio@1000a000']!.properties.interrupts!]).toEqual([0, 0, 0, 65]);
  expect(Object.keys(soc).filter((name) => name.startsWith('virtio')).length).toBe(10);
});
