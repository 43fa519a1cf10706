// Where a debugger connects, as `--gdb` names it.

export type GdbAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** [host:]port, or the path of a Unix socket, which has a slash in it. Undefined: neither. */
export function parseGdbAddress(text: string): GdbAddress | undefined {
  if (text.includes('/')) return { kind: 'unix', path: text };
  const match = /^(?:(.*):)?(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[2]);
  const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  if (port > 65_535 || /\s/.test(host)) return undefined;
  return { kind: 'tcp', host: host === '' ? '127.0.0.1' : host, port };
}
