// A checker of qcow2 images in memory, for thousands of small ones: what `qemu-img check` calls corruption. Leaks (counted
// and not used) are numbers, not errors. Version 3, 16-bit refcounts, no snapshots.

export interface Qcow2Check {
  readonly leaks: number;
  readonly corruptions: readonly string[];
}

export function checkQcow2(image: Buffer): Qcow2Check {
  const corruptions: string[] = [];
  const u64 = (at: number): bigint => (at + 8 <= image.length ? image.readBigUInt64BE(at) : 0n);
  const clusterSize = 1 << image.readUInt32BE(20);
  const uses = new Map<number, number>();
  const use = (offset: number, length: number, what: string): void => {
    if (offset % clusterSize !== 0) corruptions.push(`${what} at ${offset} is not at a cluster`);
    const last = Math.floor((offset + length - 1) / clusterSize);
    for (let i = Math.floor(offset / clusterSize); i <= last; i += 1) uses.set(i, (uses.get(i) ?? 0) + 1);
  };

  const l1Size = image.readUInt32BE(36);
  const l1Offset = Number(u64(40));
  const tableOffset = Number(u64(48));
  const tableBytes = image.readUInt32BE(56) * clusterSize;
  use(0, clusterSize, 'the header');
  use(l1Offset, l1Size * 8, 'the L1 table');
  use(tableOffset, tableBytes, 'the refcount table');

  const refcounts = new Map<number, number>();
  const perBlock = clusterSize / 2;
  for (let i = 0; i < tableBytes / 8; i += 1) {
    const block = Number(u64(tableOffset + i * 8));
    if (block === 0) continue;
    use(block, clusterSize, 'a refcount block');
    for (let j = 0; j < perBlock; j += 1) {
      const at = block + j * 2;
      const count = at + 2 <= image.length ? image.readUInt16BE(at) : 0;
      if (count > 0) refcounts.set(i * perBlock + j, count);
    }
  }

  const MASK = 0x00fffffffffffe00n;
  const COPIED = 1n << 63n;
  const named: { entry: bigint; cluster: number; what: string }[] = [];
  for (let i = 0; i < l1Size; i += 1) {
    const entry = u64(l1Offset + i * 8);
    const l2 = Number(entry & MASK);
    if (l2 === 0) continue;
    use(l2, clusterSize, 'an L2 table');
    named.push({ entry, cluster: l2 / clusterSize, what: 'an L2 table' });
    for (let j = 0; j < clusterSize / 8; j += 1) {
      const data = u64(l2 + j * 8);
      const host = Number(data & MASK);
      if (host === 0) continue;
      use(host, clusterSize, 'a data cluster');
      named.push({ entry: data, cluster: host / clusterSize, what: 'a data cluster' });
    }
  }

  for (const [cluster, count] of uses) {
    const counted = refcounts.get(cluster) ?? 0;
    if (counted < count) corruptions.push(`cluster ${cluster} is used ${count} times and counted ${counted}`);
  }
  for (const { entry, cluster, what } of named) {
    if ((entry & COPIED) !== 0n && refcounts.get(cluster) !== 1)
      corruptions.push(`${what} ${cluster} is not ours alone`);
  }
  const leaks = [...refcounts].filter(([cluster, count]) => count > (uses.get(cluster) ?? 0)).length;
  return { leaks, corruptions };
}
