import { describe, expect, it } from 'vitest';
import { readFault } from './error.ts';

describe('a refusal in every dialect becomes one message and one type', () => {
  it.each([
    [
      'Nova',
      { itemNotFound: { code: 404, message: 'Instance x could not be found.' } },
      'Instance x could not be found.',
      'itemNotFound',
    ],
    ['Keystone', { error: { code: 401, title: 'Unauthorized', message: 'Log in.' } }, 'Log in.', 'Unauthorized'],
    [
      'Neutron',
      { NeutronError: { type: 'PortNotFound', message: 'Port x could not be found.', detail: '' } },
      'Port x could not be found.',
      'PortNotFound',
    ],
    ['Neutron with detail', { NeutronError: { type: 'T', message: 'M.', detail: 'D.' } }, 'M. D.', 'T'],
    [
      'Placement',
      { errors: [{ status: 409, title: 'Conflict', detail: 'Again.', code: 'placement.concurrent_update' }] },
      'Again.',
      'placement.concurrent_update',
    ],
    ['Glance', { message: 'No image.', code: '404 Not Found', title: 'Not Found' }, 'No image.', 'Not Found'],
    [
      'Glance with its line breaks',
      { message: 'No image.<br /><br />\n\n\n', code: '404 Not Found', title: 'Not Found' },
      'No image.',
      'Not Found',
    ],
    ['Octavia', { faultcode: 'Client', faultstring: 'Immutable.', debuginfo: null }, 'Immutable.', 'Client'],
  ])('%s', (_service, body, message, type) => {
    expect(readFault(JSON.stringify(body), 'application/json')).toEqual({ message, type });
  });

  it('HTML of Glance gives its last line', () => {
    const html =
      '<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image found with ID x<br /><br />\n </body>\n</html>';
    expect(readFault(html, 'text/html; charset=UTF-8')).toEqual({ message: 'No image found with ID x' });
  });

  it.each([
    ['plain text', 'Bad gateway\n', { message: 'Bad gateway' }],
    ['nothing', '', { message: undefined }],
    ['a list', '[]', {}],
    ['numbers', '{"a":1}', {}],
  ])('%s is no reason to fail', (_name, body, expected) => {
    expect(readFault(body, 'application/json')).toEqual(expected);
  });
});
