// Small steps from an API's body to what is shown.

import type { Resource } from '#client';
import { type Fields, Shown } from './format.ts';
import type { Arguments } from './grammar.ts';

/** Fields by name, without links and other furniture of the wire. */
export function sorted(resource: Readonly<Record<string, unknown>>, leaveOut: readonly string[] = []): Fields {
  const hidden = new Set(['links', 'self', 'schema', 'file', ...leaveOut]);
  const names = Object.keys(resource).filter((name) => !hidden.has(name));
  return Object.fromEntries(names.sort().map((name) => [name, resource[name]]));
}

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `limit` and `marker` as a query. */
export function paging(args: Arguments): { limit?: string; marker?: string } {
  return { limit: args.text('limit'), marker: args.text('marker') };
}

export const PAGING = [
  { name: 'limit', value: '<number>', help: 'at most so many', integer: true },
  { name: 'marker', value: '<id>', help: 'start behind this one' },
];

/** Only what the caller said: undefined values are left out. */
export function defined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

export function namesById(resources: readonly Resource[]): Map<string, string> {
  return new Map(resources.map((one) => [one.id, text(one.name)]));
}

/** --enable / --disable and their like: true, false or not said. */
export function either(args: Arguments, yes: string, no: string): boolean | undefined {
  if (args.has(yes)) return true;
  return args.has(no) ? false : undefined;
}

/** Networks, routers, agents: true is UP to people and true to programs. */
export const adminState = (up: unknown): Shown => new Shown(up ?? null, up ? 'UP' : 'DOWN');
