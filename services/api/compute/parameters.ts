// Parts of compute's schemas: what Nova takes for an integer, a boolean, a name, and how it treats unknown query keys
// (ignored until 2.74, refused from 2.75).

import { type ZodRawShape, type ZodType, z } from 'zod';
import type { SchemaByVersion } from '../http/route.ts';

export const MAX_INT = 0x7fffffff;

/** A whole number, or its digits in a string. */
export const integer = (min: number, max: number = MAX_INT) =>
  z
    .union([
      z.number().int(),
      z
        .string()
        .regex(/^-?[0-9]+$/)
        .transform(Number),
    ])
    .pipe(z.number().min(min).max(max));

const TRUE = ['True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes'] as const;
const FALSE = ['False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no'] as const;

export const boolean = z.union([z.boolean(), z.enum(TRUE).transform(() => true), z.enum(FALSE).transform(() => false)]);

export const queryBoolean = z.union([z.enum(TRUE).transform(() => true), z.enum(FALSE).transform(() => false)]);

/** A boolean in a query; undefined for what is none. */
export function booleanOf(text: string): boolean | undefined {
  const lower = text.trim().toLowerCase();
  if (['true', 't', 'on', 'yes', 'y', '1'].includes(lower)) return true;
  if (['false', 'f', 'off', 'no', 'n', '0'].includes(lower)) return false;
  return undefined;
}

/** Printable and without white space at either end (nova/api/validation/parameter_types.py). */
const PRINTABLE = /^(?!\s)[^\p{Cc}\p{Cn}\p{Co}\p{Cs}]*(?<!\s)$/u;

export const name = z.string().min(1).max(255).regex(PRINTABLE);

/** Keys of metadata and extra specs. */
export const metadataKey = z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/);

/** A query value given once or more often: the last counts. */
export const lastOf = <T extends ZodType<unknown, string>>(schema: T) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((value) => (typeof value === 'string' ? value : (value.at(-1) ?? '')))
    .pipe(schema);

export const queryText = lastOf(z.string()).optional();
export const queryCount = lastOf(
  z
    .string()
    .regex(/^[0-9]*$/)
    .transform(Number)
    .pipe(z.number().max(MAX_INT)),
).optional();

/** The query's schema at 2.1 and from 2.75, where an unknown key is refused. */
export const queryByVersion = <S extends ZodRawShape>(shape: S) =>
  [
    ['2.1', z.object(shape)],
    ['2.75', z.strictObject(shape)],
  ] as const satisfies SchemaByVersion;

/** Paging of lists that have it. */
export const PAGING = { limit: queryCount, marker: queryText };
