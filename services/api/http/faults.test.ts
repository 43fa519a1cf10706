import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CumuletError, type ErrorCode } from '#base';
import { CINDER, type Dialect, GLANCE, KEYSTONE, NEUTRON, NOVA, PLACEMENT } from './dialects.ts';
import { failureOf, HttpFault, STATUS_OF_CODE, statusOf } from './faults.ts';

const DIALECTS: readonly Dialect[] = [NOVA, NEUTRON, KEYSTONE, GLANCE, PLACEMENT, CINDER];
const CODES = Object.keys(STATUS_OF_CODE) as ErrorCode[];

const context = { requestId: 'req-1', acceptsJson: true };

describe('every error code', () => {
  it('of base is mapped here', () => {
    const source = readFileSync(fileURLToPath(new URL('../../base/errors.ts', import.meta.url)), 'utf8');
    const union = source.slice(source.indexOf('export type ErrorCode'), source.indexOf('export interface'));
    const declared = [...union.matchAll(/\| '(\w+)'/g)].map(([, code]) => code);
    expect(declared.length).toBeGreaterThan(10);
    expect([...CODES].sort()).toEqual(declared.sort());
  });

  it.each(DIALECTS.flatMap((dialect) => CODES.map((code) => [code, dialect.name, dialect] as const)))(
    '%s has a status and a body in the dialect of %s',
    (code, _name, dialect) => {
      const failure = failureOf(new CumuletError(code, 'what happened', { internal: 'secret' }), dialect.name);
      expect(failure.status).toBe(statusOf(code, dialect.name));
      expect(failure.status).toBeGreaterThanOrEqual(400);
      expect(failure.unexpected).toBe(code === 'internal');
      const { body } = dialect.render(failure, context);
      expect(body).toContain(code === 'internal' ? 'req-1' : 'what happened');
      expect(body).not.toContain('secret');
      expect(() => JSON.parse(body)).not.toThrow();
    },
  );

  it('is a quota refusal in the way of each service', () => {
    const statuses = DIALECTS.map((dialect) => [dialect.name, statusOf('quota_exceeded', dialect.name)]);
    expect(Object.fromEntries(statuses)).toEqual({
      nova: 403,
      neutron: 409,
      keystone: 403,
      glance: 413,
      placement: 403,
      cinder: 413,
    });
  });
});

describe('a body', () => {
  const failure = { status: 409, message: 'No.' };

  it.each([
    [NOVA, { conflictingRequest: { code: 409, message: 'No.' } }],
    [NEUTRON, { NeutronError: { type: 'HTTPConflict', message: 'No.', detail: '' } }],
    [KEYSTONE, { error: { code: 409, message: 'No.', title: 'Conflict' } }],
    [GLANCE, { code: '409 Conflict', title: 'Conflict', message: 'No.<br /><br />\n\n\n' }],
    [
      PLACEMENT,
      {
        errors: [
          {
            status: 409,
            title: 'Conflict',
            detail: 'No.',
            code: 'placement.undefined_code',
            request_id: 'req-1',
          },
        ],
      },
    ],
  ] as const)('has the shape that clients of the service parse', (dialect, expected) => {
    expect(JSON.parse(dialect.render(failure, context).body)).toEqual(expected);
  });

  it('of Glance is a page unless JSON is accepted, and says nothing unescaped', () => {
    const page = GLANCE.render({ status: 404, message: '<script>' }, { ...context, acceptsJson: false });
    expect(page.contentType).toContain('text/html');
    expect(page.body).toContain('<h1>404 Not Found</h1>');
    expect(page.body).not.toContain('<script>');
  });

  it("of Neutron carries the exception's name", () => {
    const error = new CumuletError('conflict', 'in use', { detail: { type: 'NetworkInUse' } });
    const { body } = NEUTRON.render(failureOf(error, 'neutron'), context);
    expect(JSON.parse(body).NeutronError.type).toBe('NetworkInUse');
  });

  it('of an unexpected exception tells the request id and nothing else', () => {
    for (const dialect of DIALECTS) {
      const failed = failureOf(new TypeError('x is not a function at /secret/path.ts'), dialect.name);
      expect([failed.status, failed.unexpected]).toEqual([500, true]);
      const { body } = dialect.render(failed, context);
      expect(body).toContain('req-1');
      expect(body).not.toContain('secret');
    }
  });

  it('keeps a status that no code stands for', () => {
    expect(failureOf(new HttpFault(501, 'Not here.'), 'nova')).toMatchObject({ status: 501, message: 'Not here.' });
  });
});
