// The child of embedded-crash.test.ts: opens the store and writes without end; prints each key once it is acknowledged.

import { openEmbeddedStore } from '#store';

const [folder = '', round = ''] = process.argv.slice(2);
const store = await openEmbeddedStore({ folder });
process.stdout.write('open\n');

async function write(lane: number): Promise<never> {
  for (let count = 0; ; count++) {
    const name = `${round}/${lane}/${count}`;
    const value = Buffer.from(name.repeat(1 + (count % 50)));
    const { revision } = await store.txn(
      [{ key: `/a/${name}`, modRevision: 0 }],
      [
        { put: `/a/${name}`, value },
        { put: `/b/${name}`, value },
      ],
    );
    process.stdout.write(`${revision} ${name}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, (_, lane) => write(lane)));
