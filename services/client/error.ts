// One error for every dialect. Each OpenStack service words a refusal in a shape of its own; callers of this client see
// a ClientError with the message for people, the HTTP status, the service's own type name and the request id.

export type ServiceType = 'identity' | 'compute' | 'image' | 'network' | 'placement' | 'volume' | 'load-balancer';

export interface ClientErrorOptions {
  /** HTTP status; 0 when no answer arrived. */
  readonly code?: number;
  /** The service's own name of the fault: itemNotFound, PortInUse, placement.concurrent_update ... */
  readonly type?: string;
  readonly requestId?: string;
  readonly service?: string;
  readonly method?: string;
  readonly url?: string;
  readonly cause?: unknown;
}

export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: number;
  readonly type: string | undefined;
  readonly requestId: string | undefined;
  readonly service: string | undefined;
  readonly method: string | undefined;
  readonly url: string | undefined;

  constructor(message: string, options: ClientErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = options.code ?? 0;
    this.type = options.type;
    this.requestId = options.requestId;
    this.service = options.service;
    this.method = options.method;
    this.url = options.url;
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof ClientError && error.code === 404;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;

/** Glance puts line breaks of HTML into its JSON too. */
const withoutTags = (message: string): string => message.replace(/<br ?\/?>/g, '\n').trim();

/** Finds message and type in a fault's body, whichever service wrote it. */
export function readFault(body: string, contentType: string): { message?: string; type?: string } {
  if (contentType.includes('html')) {
    // Glance answers HTML to whoever does not ask for JSON: the last line of text is the reason.
    const plain = body.replace(/<head[\s\S]*?<\/head>/i, '').replace(/<[^>]*>/g, '\n');
    const lines = plain
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    return { message: lines.at(-1) };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { message: body.trim().slice(0, 500) || undefined };
  }
  if (!isFields(parsed)) return {};
  // Placement: {"errors":[{"status","title","detail","code"}]}
  if (Array.isArray(parsed.errors) && isFields(parsed.errors[0])) {
    const first = parsed.errors[0];
    return { message: text(first.detail) ?? text(first.title), type: text(first.code) ?? text(first.title) };
  }
  // Neutron: {"NeutronError":{"type","message","detail"}}
  if (isFields(parsed.NeutronError)) {
    const { type, message, detail } = parsed.NeutronError;
    const extra = text(detail);
    return { message: extra ? `${text(message)} ${extra}` : text(message), type: text(type) };
  }
  // Keystone: {"error":{"code","title","message"}}
  if (isFields(parsed.error)) return { message: text(parsed.error.message), type: text(parsed.error.title) };
  // Octavia: {"faultcode","faultstring"}
  if (text(parsed.faultstring)) return { message: text(parsed.faultstring), type: text(parsed.faultcode) };
  // Glance: {"message","code","title"}
  if (text(parsed.message)) return { message: withoutTags(text(parsed.message)!), type: text(parsed.title) };
  // Nova and Cinder: {"itemNotFound":{"code","message"}}
  for (const [type, fault] of Object.entries(parsed)) {
    if (isFields(fault) && text(fault.message)) return { message: text(fault.message), type };
  }
  return {};
}

/** The message of anything that was thrown. */
export const messageOfError = (error: unknown): string => (error instanceof Error ? error.message : String(error));
