import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '#base';
import { connectNatsBus } from '#bus';
import { type NatsServer, startNats } from '#test/support/nats.ts';
import { waitUntil } from '#test/support/wait.ts';
import { busCompliance } from './bus.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server?.stop());

const connect = () => connectNatsBus({ servers: [server.address], log: silentLog });

describe('the bus over NATS', () => {
  busCompliance({ open: async () => ({ here: await connect(), there: await connect() }) });

  it('says which server it cannot reach', async () => {
    await expect(connectNatsBus({ servers: ['127.0.0.1:1'] })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });

  it('goes on after a restart of the server', async () => {
    const [here, there] = [await connect(), await connect()];
    await there.respond('test.v1.echo', async (message) => message.payload);
    await server.kill();
    await expect(here.request('test.v1.echo', Buffer.from('x'), { timeout: 200 })).rejects.toMatchObject({
      code: expect.stringMatching(/timeout|unavailable/),
    });
    await server.restart();
    const answer = await waitUntil(() =>
      here.request('test.v1.echo', Buffer.from('x'), { timeout: 500 }).catch(() => undefined),
    );
    expect(Buffer.from(answer ?? []).toString()).toBe('x');
    await here.close();
    await there.close();
  });
});
