// How each service prints a moment (UTC microseconds inside). Clients parse these strictly.

const pad6 = (micros: number): string => String(micros).padStart(6, '0');

const seconds = (micros: number): string => new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19);

/** `2026-01-02T03:04:05Z`: Nova's created and updated, Glance, Neutron. */
export const zulu = (micros: number): string => `${seconds(micros)}Z`;

/** `2026-01-02T03:04:05.000000`: Nova's launched_at, instance actions, migrations, services, keypairs; Cinder. */
export const nakedMicros = (micros: number): string => `${seconds(micros)}.${pad6(Math.trunc(micros % 1_000_000))}`;

/** `2026-01-02T03:04:05.000000Z`: Keystone. The expiry of a token has whole seconds, as Keystone's. */
export const zuluMicros = (micros: number): string => `${nakedMicros(micros)}Z`;

/** `2026-01-02T03:04:05`: Octavia. */
export const naked = (micros: number): string => seconds(micros);

const ISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** Reads a time that a client sent: ISO 8601, UTC when it names no zone. Undefined when it is no time. */
export function parseTime(text: string): number | undefined {
  const match = ISO.exec(text.trim());
  if (match === null) return undefined;
  const iso = text.trim().replace(' ', 'T');
  const zoned = match[4] !== undefined || match[1] === undefined ? iso : `${iso}Z`;
  const millis = Date.parse(zoned);
  if (Number.isNaN(millis)) return undefined;
  const fraction = match[3] === undefined ? 0 : Number(match[3].slice(1, 7).padEnd(6, '0')) % 1000;
  return millis * 1000 + fraction;
}
