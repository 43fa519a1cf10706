// What a schema found wrong, in words close to those of OpenStack's own schema checker, so that the dialects can say it.

import type { ZodError } from 'zod';
import type * as core from 'zod/v4/core';

export interface Issue {
  readonly path: readonly string[];
  /** The value found at the path. */
  readonly value: unknown;
  readonly text: string;
  /** A required field is not there. */
  readonly missing: boolean;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** What is quoted of a value at most. */
const QUOTED = 300;

function quote(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'None');
  return text.length > QUOTED ? `${text.slice(0, QUOTED)}...` : text;
}

/** Of an issue whose schema has no words of its own. */
const isZods = (message: string): boolean => message.startsWith('Invalid');

function wordsOf(issue: core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const keys = issue.keys.map((key) => `'${key}'`).join(', ');
      return `Additional properties are not allowed (${keys} ${issue.keys.length === 1 ? 'was' : 'were'} unexpected)`;
    }
    case 'invalid_type':
      return `${quote(value)} is not of type '${issue.expected === 'int' ? 'integer' : issue.expected}'`;
    case 'too_small':
      return sizeWords(value, issue.origin, 'too short', `less than the minimum of ${issue.minimum}`);
    case 'too_big':
      return sizeWords(value, issue.origin, 'too long', `greater than the maximum of ${issue.maximum}`);
    case 'invalid_format':
      if (!isZods(issue.message)) return issue.message;
      return issue.pattern === undefined
        ? `${quote(value)} is not a '${issue.format}'`
        : `${quote(value)} does not match '${issue.pattern}'`;
    case 'invalid_value':
      return `${quote(value)} is not one of [${issue.values.map(quote).join(', ')}]`;
    default:
      return issue.message;
  }
}

const sizeWords = (value: unknown, origin: string, size: string, bound: string): string =>
  origin === 'string' || origin === 'array' ? `${quote(value)} is ${size}` : `${quote(value)} is ${bound}`;

/** Of a union's branches the one that got furthest tells most. */
function deepest(issue: core.$ZodIssue): core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  let best: core.$ZodIssue | undefined;
  for (const branch of issue.errors) {
    for (const inner of branch) {
      const found = deepest({ ...inner, path: [...issue.path, ...inner.path] } as core.$ZodIssue);
      if (best === undefined || found.path.length > best.path.length) best = found;
    }
  }
  return best ?? issue;
}

export function firstIssue(error: ZodError, input: unknown): Issue {
  const issue = deepest(error.issues[0]!);
  const path = issue.path.map(String);
  const value = valueAt(input, issue.path);
  const missing = value === undefined && issue.path.length > 0 && issue.code !== 'unrecognized_keys';
  if (missing && issue.code === 'invalid_type') {
    return { path, value: undefined, text: `'${path.at(-1)}' is a required property`, missing };
  }
  return { path, value, text: wordsOf(issue, value), missing };
}

/** The keys that no schema knows, wherever they are. */
export function unknownKeys(error: ZodError): string[] {
  return error.issues.flatMap((issue) => {
    const found = deepest(issue);
    return found.code === 'unrecognized_keys' ? found.keys : [];
  });
}
