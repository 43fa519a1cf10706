// A cloud for unit tests of the command line: answers from a table, remembers what was asked.

import {
  type CloudClient,
  connect,
  type HttpRequest,
  type HttpResponse,
  passwordConfig,
  type Transport,
} from '#client';
import type { Io } from './command.ts';
import { runCli } from './run.ts';

export interface Reply {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `GET /compute/v2.1/servers/detail` to an answer, or to a function of the request that makes one. */
export type Replies = Readonly<
  Record<string, Reply | readonly Reply[] | ((request: HttpRequest, query: URLSearchParams) => Reply)>
>;

const ORIGIN = 'http://cloud.test';

const endpoint = (type: string, path: string) => ({
  type,
  name: type,
  endpoints: [{ interface: 'public', region_id: 'RegionOne', region: 'RegionOne', url: ORIGIN + path }],
});

const TOKEN = {
  token: {
    expires_at: '2099-01-01T00:00:00.000000Z',
    issued_at: '2026-01-01T00:00:00.000000Z',
    user: { id: 'u1', name: 'demo' },
    project: { id: 'p1', name: 'demo' },
    roles: [{ id: 'r1', name: 'member' }],
    catalog: [
      endpoint('identity', '/identity'),
      endpoint('compute', '/compute/v2.1'),
      endpoint('image', '/image'),
      endpoint('network', '/network'),
      endpoint('placement', '/placement'),
    ],
  },
};

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** `METHOD path?query`, logins left out. */
  readonly asked: readonly string[];
  /** Bodies of the requests in `asked`; JSON is parsed. */
  readonly sent: readonly unknown[];
}

export function fakeTransport(replies: Replies, asked: string[] = [], sent: unknown[] = []): Transport {
  const used = new Map<string, number>();
  return async (request) => {
    const url = new URL(request.url);
    const key = `${request.method} ${url.pathname}`;
    if (key === 'POST /identity/v3/auth/tokens' && !replies[key]) {
      return answer({ status: 201, body: TOKEN, headers: { 'x-subject-token': 'secret-token' } });
    }
    asked.push(`${key}${decodeURIComponent(url.search)}`);
    sent.push(typeof request.body === 'string' ? JSON.parse(request.body) : request.body);
    const reply = replies[key];
    if (!reply) return answer({ status: 404, body: { itemNotFound: { code: 404, message: `no ${key}` } } });
    if (typeof reply === 'function') return answer(reply(request, url.searchParams));
    if (!Array.isArray(reply)) return answer(reply as Reply);
    // One after another; the last stays.
    const turn = used.get(key) ?? 0;
    used.set(key, turn + 1);
    return answer(reply[Math.min(turn, reply.length - 1)] as Reply);
  };
}

function answer(reply: Reply): HttpResponse {
  const text = reply.body === undefined ? '' : JSON.stringify(reply.body);
  return {
    status: reply.status ?? 200,
    headers: { 'content-type': 'application/json', 'x-openstack-request-id': 'req-1', ...reply.headers },
    text: async () => text,
    get stream(): never {
      throw new Error('the fake cloud streams nothing');
    },
  };
}

/** Runs a command line against the fake cloud. */
export async function cloudctl(argv: readonly string[], replies: Replies = {}, io: Partial<Io> = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const asked: string[] = [];
  const sent: unknown[] = [];
  const transport = fakeTransport(replies, asked, sent);
  const config = { ...passwordConfig(`${ORIGIN}/identity`, 'demo', 'pw', 'demo'), region: 'RegionOne' };
  const code = await runCli(
    argv,
    {
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
      env: {},
      cwd: '/nonexistent',
      stdoutIsTerminal: false,
      stderrIsTerminal: false,
      ...io,
    },
    async (_globals, _io, observer): Promise<CloudClient> => connect(config, { transport, observer }),
  );
  return { code, stdout, stderr, asked, sent };
}
