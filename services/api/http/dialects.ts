// The dialects: how each OpenStack service words and shapes a refusal, and which headers it adds. Data and pure functions;
// every area names one. Bodies as USERS of the real services parse them:
//
//   nova      {"itemNotFound": {"code": 404, "message": ...}}
//   neutron   {"NeutronError": {"type", "message", "detail"}}
//   keystone  {"error": {"code", "message", "title"}}
//   glance    an HTML page, or {"message", "code", "title"} when JSON is accepted
//   placement {"errors": [{"status", "title", "detail", "code", "request_id"}]}

import type { ZodError } from 'zod';
import { type DialectName, type Failure, reasonOf } from './faults.ts';
import { firstIssue, type Issue, unknownKeys } from './validation.ts';

export interface FailureContext {
  readonly requestId: string;
  /** Whether the request accepts JSON by name. */
  readonly acceptsJson: boolean;
  /** Set for a 406: the range that is served. */
  readonly range?: { readonly min: string; readonly max: string };
}

export interface RenderedFailure {
  readonly contentType: string;
  readonly body: string;
}

export interface Dialect {
  readonly name: DialectName;
  readonly requestIdHeaders: readonly string[];
  /** Whether an unknown path asks for a token first, as services behind keystonemiddleware do. */
  readonly authenticatesUnknownPaths: boolean;
  render(failure: Failure, context: FailureContext): RenderedFailure;
  /** The words of a policy refusal. */
  forbidden(rule: string): Failure;
  /** The words of a body or a query that does not fit its schema. */
  invalid(error: ZodError, input: unknown, where: 'body' | 'query'): Failure;
  malformed(why: string): Failure;
  unsupportedMediaType(given: string, accepted: readonly string[]): Failure;
  notFound(): Failure;
}

const JSON_TYPE = 'application/json';
const json = (body: unknown): RenderedFailure => ({ contentType: JSON_TYPE, body: JSON.stringify(body) });

const UNEXPECTED = 'An unexpected error prevented the server from fulfilling your request.';

/** A 500 tells the request id and no more. */
const words = (failure: Failure, context: FailureContext): string =>
  failure.message === '' && failure.status >= 500 ? `${UNEXPECTED} Request id: ${context.requestId}` : failure.message;

const NOVA_FAULTS: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
};

const show = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'None');
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
};

const novaInvalid = (issue: Issue): Failure => ({
  status: 400,
  message: issue.path.length === 0 ? `${capital(issue.text)}` : novaField(issue),
});

function novaField(issue: Issue): string {
  return `Invalid input for field/attribute ${issue.path.at(-1)}. Value: ${show(issue.value)}. ${issue.text}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const novaLike = (name: 'nova' | 'cinder', requestIdHeaders: readonly string[]): Dialect => ({
  name,
  requestIdHeaders,
  authenticatesUnknownPaths: true,
  render(failure, context) {
    const fault = failure.fault ?? NOVA_FAULTS[failure.status] ?? 'computeFault';
    return json({ [fault]: { code: failure.status, message: words(failure, context) } });
  },
  forbidden: (rule) => ({ status: 403, message: `Policy doesn't allow ${rule} to be performed.` }),
  invalid(error, input, where) {
    const issue = firstIssue(error, input);
    if (where === 'query' && issue.path.length > 0) {
      return {
        status: 400,
        message: `Invalid input for query parameters ${issue.path[0]}. Value: ${show(issue.value)}. ${issue.text}`,
      };
    }
    return novaInvalid(issue);
  },
  malformed: () => ({ status: 400, message: 'Malformed request body' }),
  unsupportedMediaType: (given) => ({ status: 415, message: `Unsupported Content-Type ${given}` }),
  notFound: () => ({ status: 404, message: 'The resource could not be found.' }),
});

export const NOVA: Dialect = novaLike('nova', ['x-compute-request-id']);
export const CINDER: Dialect = novaLike('cinder', ['x-compute-request-id']);

const NEUTRON_TYPES: Readonly<Record<number, string>> = {
  400: 'HTTPBadRequest',
  401: 'HTTPUnauthorized',
  403: 'PolicyNotAuthorized',
  404: 'HTTPNotFound',
  405: 'HTTPMethodNotAllowed',
  409: 'HTTPConflict',
  412: 'RevisionNumberConstraintFailed',
  413: 'HTTPRequestEntityTooLarge',
  415: 'HTTPUnsupportedMediaType',
  500: 'HTTPInternalServerError',
  501: 'HTTPNotImplemented',
  503: 'ServiceUnavailable',
};

export const NEUTRON: Dialect = {
  name: 'neutron',
  requestIdHeaders: [],
  authenticatesUnknownPaths: true,
  render(failure, context) {
    const type = failure.type ?? NEUTRON_TYPES[failure.status] ?? 'HTTPError';
    return json({ NeutronError: { type, message: words(failure, context), detail: '' } });
  },
  forbidden: (rule) => ({ status: 403, message: `rule:${rule} is disallowed by policy`, type: 'PolicyNotAuthorized' }),
  invalid(error, input) {
    const keys = unknownKeys(error);
    if (keys.length > 0) {
      const list = keys.map((key) => `'${key}'`).join(', ');
      return { status: 400, message: `Unrecognized attribute(s) ${list}`, type: 'HTTPBadRequest' };
    }
    const issue = firstIssue(error, input);
    if (issue.missing) {
      const field = issue.path.at(-1) ?? '';
      return {
        status: 400,
        message: `Failed to parse request. Required attribute '${field}' not specified`,
        type: 'HTTPBadRequest',
      };
    }
    const field = issue.path.at(-1) ?? 'body';
    return {
      status: 400,
      message: `Invalid input for ${field}. Reason: ${capital(issue.text)}.`,
      type: 'HTTPBadRequest',
    };
  },
  malformed: (why) => ({
    status: 400,
    message: `The server could not comply with the request since it is either malformed or otherwise incorrect: ${why}`,
    type: 'HTTPBadRequest',
  }),
  unsupportedMediaType: (given) => ({ status: 415, message: `Content type ${given} is not supported` }),
  notFound: () => ({ status: 404, message: 'The resource could not be found.', type: 'HTTPNotFound' }),
};

export const KEYSTONE: Dialect = {
  name: 'keystone',
  requestIdHeaders: [],
  authenticatesUnknownPaths: false,
  render(failure, context) {
    return json({ error: { code: failure.status, message: words(failure, context), title: reasonOf(failure.status) } });
  },
  forbidden: (rule) => ({ status: 403, message: `You are not authorized to perform the requested action: ${rule}.` }),
  invalid(error, input) {
    const issue = firstIssue(error, input);
    if (issue.path.length === 0) return { status: 400, message: `${capital(issue.text)}` };
    return { status: 400, message: `Invalid input for field '${issue.path.at(-1)}': ${issue.text}` };
  },
  malformed: (why) => ({
    status: 400,
    message: `Expecting to find valid JSON in request body: ${why}. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`,
  }),
  unsupportedMediaType: (given) => ({
    status: 400,
    message: `Expecting to find application/json in Content-Type header, not ${given}. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`,
  }),
  notFound: () => ({ status: 404, message: 'The resource could not be found.' }),
};

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const GLANCE: Dialect = {
  name: 'glance',
  requestIdHeaders: [],
  authenticatesUnknownPaths: true,
  render(failure, context) {
    const message = words(failure, context);
    const title = `${failure.status} ${reasonOf(failure.status)}`;
    if (context.acceptsJson) {
      return json({
        message: `${escapeHtml(message)}<br /><br />\n\n\n`,
        code: title,
        title: reasonOf(failure.status),
      });
    }
    const page = `<html>\n <head>\n  <title>${title}</title>\n </head>\n <body>\n  <h1>${title}</h1>\n  ${escapeHtml(message)}<br /><br />\n\n\n\n </body>\n</html>`;
    return { contentType: 'text/html; charset=UTF-8', body: page };
  },
  forbidden: (rule) => ({ status: 403, message: `You are not authorized to complete ${rule} action.` }),
  invalid(error, input) {
    const issue = firstIssue(error, input);
    const at = issue.path.length === 0 ? '' : ` (at ${issue.path.join('.')})`;
    return { status: 400, message: `Provided object does not match schema 'image': ${issue.text}${at}` };
  },
  malformed: (why) => ({ status: 400, message: `Malformed JSON in request body: ${why}` }),
  unsupportedMediaType: (_given, accepted) => ({
    status: 415,
    message: `Unsupported content type; use ${accepted.join(' or ')}`,
  }),
  notFound: () => ({ status: 404, message: 'The resource could not be found.' }),
};

export const PLACEMENT: Dialect = {
  name: 'placement',
  requestIdHeaders: [],
  authenticatesUnknownPaths: true,
  render(failure, context) {
    const range = context.range === undefined ? {} : { max_version: context.range.max, min_version: context.range.min };
    const error = {
      status: failure.status,
      title: reasonOf(failure.status),
      detail: words(failure, context),
      code: failure.type ?? 'placement.undefined_code',
      request_id: context.requestId,
      ...range,
    };
    return json({ errors: [error] });
  },
  forbidden: (rule) => ({ status: 403, message: `Policy does not allow ${rule} to be performed.` }),
  invalid(error, input, where) {
    const issue = firstIssue(error, input);
    const at = issue.path.length === 0 ? '' : ` in ${issue.path.join('.')}`;
    const what = where === 'query' ? 'Invalid query string parameters' : 'JSON does not validate';
    return { status: 400, message: `${what}: ${issue.text}${at}` };
  },
  malformed: (why) => ({ status: 400, message: `Malformed JSON: ${why}` }),
  unsupportedMediaType: (given) => ({
    status: 415,
    message: `The media type ${given} is not supported, use application/json`,
  }),
  notFound: () => ({ status: 404, message: 'The resource could not be found.' }),
};
