import { describe, expect, it } from 'vitest';
import { CumuletError, messageOf } from '#base';
import { explainStart } from './explain.ts';

const PLACE = { state: '/data/cloud', listen: '127.0.0.1', port: 80 };
const errno = (code: string, more: object = {}) => Object.assign(new Error(`${code}: raw words`), { code, ...more });
const explain = (error: unknown): string => messageOf(explainStart(error, PLACE));

describe('a cloud that cannot start says', () => {
  it.each([
    ['EACCES', /^\/data\/cloud may not be written by this user\. .*--state DIR/],
    ['EPERM', /may not be written/],
    ['EROFS', /a disk that cannot be written/],
    ['EEXIST', /is no folder/],
    ['ENOTDIR', /is no folder/],
    ['ENOSPC', /no room left on the disk of \/data\/cloud/],
  ])('what is wrong with its state folder: %s', (code, words) => {
    expect(explain(errno(code, { path: '/data/cloud', syscall: 'mkdir' }))).toMatch(words);
  });

  it.each([
    ['EADDRINUSE', 'listen', /^Port 80 of 127\.0\.0\.1 is taken by another program/],
    ['EACCES', 'listen', /take one from 1024 up/],
    ['EADDRNOTAVAIL', 'listen', /no such address/],
    ['ENOTFOUND', 'getaddrinfo', /no such address/],
  ])('what is wrong with its address: %s', (code, syscall, words) => {
    expect(explain(errno(code, { syscall }))).toMatch(words);
  });

  it('where room is missing when the image store has none', () => {
    const error = new CumuletError('unavailable', 'The image store has no room left.', { cause: errno('ENOSPC') });
    expect(explain(error)).toBe('The image store has no room left. Make room on the disk of /data/cloud.');
  });

  it('anything else as it came', () => {
    const error = new CumuletError('conflict', 'A cloud runs on /data/cloud already.');
    expect(explainStart(error, PLACE)).toBe(error);
    const strange = errno('EBADF', { path: '/data/cloud', syscall: 'read' });
    expect(explainStart(strange, PLACE)).toBe(strange);
  });
});
