// Typed messages over the bus: each of these encodes or decodes with a codec of services/gen, so that what travels is
// what proto/ says. Bytes that are not such a message are an error of the handler (subscribe: logged by the bus;
// respond: the requester gets 'invalid').

import { CumuletError, messageOf } from '#base';
import type { Codec } from '#gen';
import type { Bus, RequestOptions, SubscribeOptions, Subscription } from './bus.ts';

// biome-ignore lint/suspicious/noExplicitAny: a codec is contravariant in what it encodes; only its other side is used
type Encoder<In> = Pick<Codec<In, any>, 'name' | 'encode'>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type Decoder<Out> = Pick<Codec<any, Out>, 'name' | 'decode'>;

export function publish<In>(bus: Bus, subject: string, codec: Encoder<In>, message: In): void {
  bus.publish(subject, codec.encode(message));
}

export function subscribe<Out>(
  bus: Bus,
  subject: string,
  codec: Decoder<Out>,
  handler: (message: Out, subject: string) => void,
  options?: SubscribeOptions,
): Promise<Subscription> {
  return bus.subscribe(subject, (message) => handler(decode(codec, message.payload), message.subject), options);
}

export interface Exchange<Request, Response> {
  readonly request: Request;
  readonly response: Response;
}

export async function request<In, Out>(
  bus: Bus,
  subject: string,
  codecs: Exchange<Encoder<In>, Decoder<Out>>,
  message: In,
  options?: RequestOptions,
): Promise<Out> {
  return decode(codecs.response, await bus.request(subject, codecs.request.encode(message), options));
}

export function respond<Out, In>(
  bus: Bus,
  subject: string,
  codecs: Exchange<Decoder<Out>, Encoder<In>>,
  handler: (message: Out, subject: string) => Promise<In>,
  options?: SubscribeOptions,
): Promise<Subscription> {
  return bus.respond(
    subject,
    async (message) => codecs.response.encode(await handler(decode(codecs.request, message.payload), message.subject)),
    options,
  );
}

function decode<Out>(codec: Decoder<Out>, bytes: Uint8Array): Out {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw new CumuletError('invalid', `The message is not a ${codec.name}: ${messageOf(error)}.`, { cause: error });
  }
}
