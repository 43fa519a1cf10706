// Commands that take several names: every one is tried, failures are told one by one and counted at the end.

import { ClientError, messageOfError } from '#client';
import type { Context } from './command.ts';

export async function eachOf(
  context: Context,
  names: readonly string[],
  noun: string,
  verb: string,
  act: (name: string) => Promise<void>,
): Promise<number> {
  let failed = 0;
  for (const name of names) {
    try {
      await act(name);
    } catch (error) {
      if (names.length === 1) throw error;
      failed += 1;
      context.endProgress();
      context.io.stderr(`Failed to ${verb} ${noun} with name or ID '${name}': ${messageOfError(error)}\n`);
    }
  }
  if (failed > 0) throw new ClientError(`${failed} of ${names.length} ${noun}s failed to ${verb}.`);
  return 0;
}
