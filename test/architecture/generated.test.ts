// What is generated is committed, and equal to what the generator writes today.

import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function contents(folder: string): Record<string, string> {
  const files = globSync('**/*.ts', { cwd: folder }).sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
}

it('services/gen/types equals what `make proto` writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cumulet-proto-'));
  try {
    const out = join(folder, 'types');
    execFileSync('sh', [join(ROOT, 'deploy/proto.sh'), out], { stdio: 'inherit' });
    expect(contents(join(ROOT, 'services/gen/types'))).toEqual(contents(out));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
