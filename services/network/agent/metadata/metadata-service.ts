// The metadata service of a node: HTTP at 169.254.169.254, answered beside the guest, also on isolated networks. What a
// guest is told is the controller's to say; it is asked anew whenever what was said last is older than a moment.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Clock, type Log, messageOf } from '#base';
import { type Bus, topic } from '#bus';
import type { Frame, SwitchPort, wire } from '#dataplane';
import { networkV1 } from '#gen';
import { type GuestSocket, GuestTcp } from './guest-tcp.ts';
import { type MetadataReply, type MetadataTree, metadataReply } from './metadata-paths.ts';

export interface MetadataServiceComponents {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

const HTTP_PORT = 80;
/** A guest that boots asks for a dozen paths in a row. */
const FRESH_MS = 2_000;
const REQUEST_MS = 15_000;

interface Told {
  readonly at: number;
  readonly tree: Promise<MetadataTree | undefined>;
}

export class MetadataService {
  readonly #components: MetadataServiceComponents;
  readonly #http: Server;
  readonly #tcp: GuestTcp;
  readonly #told = new Map<string, Told>();

  constructor(
    components: MetadataServiceComponents,
    answer: (port: SwitchPort, bytes: Uint8Array, offload: wire.Offload) => void,
  ) {
    this.#components = components;
    this.#http = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) =>
      this.#serve(request, response),
    );
    this.#tcp = new GuestTcp({
      now: () => components.clock.monotonic(),
      answer,
      onConnection: (socket) => this.#http.emit('connection', socket),
      tcpPort: HTTP_PORT,
    });
  }

  take(port: SwitchPort, frame: Frame): void {
    this.#tcp.take(port, frame);
  }

  stop(): void {
    this.#tcp.close();
    this.#http.close();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { portId } = request.socket as unknown as GuestSocket;
    this.#reply(portId, request)
      .catch((error: unknown): MetadataReply => {
        this.#components.log.debug({ portId, why: messageOf(error) }, 'the metadata of a guest are not known');
        return { status: 503, type: 'text/plain', body: 'The metadata are not available at the moment.\n' };
      })
      .then(({ status, type, body }) => {
        const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
        response.writeHead(status, { 'content-type': type, 'content-length': length });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
  }

  async #reply(portId: string, request: IncomingMessage): Promise<MetadataReply> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { status: 405, type: 'text/plain', body: 'Only GET is answered here.\n' };
    }
    const tree = await this.#treeOf(portId);
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    return metadataReply(tree ?? new Map(), path);
  }

  #treeOf(portId: string): Promise<MetadataTree | undefined> {
    const now = this.#components.clock.monotonic();
    const known = this.#told.get(portId);
    if (known !== undefined && now - known.at < FRESH_MS) return known.tree;
    for (const [id, { at }] of this.#told) if (now - at >= FRESH_MS) this.#told.delete(id);
    const tree = this.#ask(portId);
    this.#told.set(portId, { at: now, tree });
    tree.catch(() => this.#told.delete(portId));
    return tree;
  }

  async #ask(portId: string): Promise<MetadataTree | undefined> {
    const codecs = { request: networkV1.metadataRequest, response: networkV1.metadata };
    const { metadata } = networkV1.subjects;
    const { found, files } = await topic.request(this.#components.bus, metadata, codecs, { portId });
    return found ? new Map(Object.entries(files)) : undefined;
  }
}
