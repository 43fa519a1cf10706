// Answers the nodes' question what the guest of a port is told about itself: always as the records are now.

import type { Startable } from '#base';
import { type Bus, type Subscription, topic } from '#bus';
import { networkV1 } from '#gen';
import { metadataTree, PORT, SERVER } from '#model';
import type { Records } from '#store';
import { guestSource } from './sagas/guest-source.ts';

/** One of the conductors answers. */
const QUEUE = { queue: 'conductor' } as const;

export function answerMetadata(records: Records, bus: Bus): Startable {
  let subscription: Subscription | undefined;
  const answer = async ({ portId }: networkV1.MetadataRequest__Output): Promise<networkV1.Metadata> => {
    const port = records.peek(PORT, portId)?.value;
    const server = port && records.peek(SERVER, port.deviceId)?.value;
    if (server === undefined) return { found: false, files: {} };
    const tree = metadataTree(guestSource(records, server), false);
    return {
      found: true,
      files: Object.fromEntries(Object.entries(tree).map(([path, bytes]) => [path, Buffer.from(bytes)])),
    };
  };
  return {
    start: async () => {
      const codecs = { request: networkV1.metadataRequest, response: networkV1.metadata };
      subscription = await topic.respond(bus, networkV1.subjects.metadata, codecs, answer, QUEUE);
    },
    stop: async () => {
      await subscription?.unsubscribe();
    },
  };
}
