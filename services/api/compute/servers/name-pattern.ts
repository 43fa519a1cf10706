// The `name` filter is a regular expression (it is handed to the database in Nova). A pattern that backtracks without end
// must not stop the controller: it runs with a time limit, on all names at once.

import { runInNewContext } from 'node:vm';
import { CumuletError } from '#base';

const TIME_LIMIT_MS = 200;
const PLAIN = /^[A-Za-z0-9 _\-:@]*$/;

/** For each text, whether the pattern is found in it. Throws 'invalid' for what is no pattern, or takes too long. */
export function findPattern(pattern: string, texts: readonly string[]): boolean[] {
  if (PLAIN.test(pattern)) return texts.map((text) => text.toLowerCase().includes(pattern.toLowerCase()));
  try {
    new RegExp(pattern, 'i');
  } catch {
    throw new CumuletError('invalid', `Invalid input for query parameters name. Value: ${pattern}. It is no regex.`);
  }
  try {
    const script = 'const found = []; for (const text of texts) found.push(new RegExp(pattern, "i").test(text)); found';
    const found = runInNewContext(script, { pattern, texts: [...texts] }, { timeout: TIME_LIMIT_MS }) as boolean[];
    return [...found];
  } catch (error) {
    throw new CumuletError('invalid', 'The name pattern takes too long to match.', { cause: error });
  }
}
