// PATCH of an image: the JSON patch of Glance (application/openstack-images-v2.1-json-patch, RFC 6902 with add, replace and
// remove on whole attributes; -v2.0-json-patch, where the operation is the key). Pure.

import type { Image } from '#model';
import { HttpFault } from '../http/faults.ts';
import { checkFormats, isAttribute, refuseReadOnly, withAttribute, withoutProperty } from './attributes.ts';

export const PATCH_V21 = 'application/openstack-images-v2.1-json-patch';
export const PATCH_V20 = 'application/openstack-images-v2.0-json-patch';

export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  /** The attribute. */
  readonly key: string;
  readonly value: unknown;
}

const OPERATIONS = ['add', 'replace', 'remove'] as const;

export function parsePatch(body: unknown, contentType: string): PatchOperation[] {
  if (!Array.isArray(body)) throw new HttpFault(400, 'Request body must be a JSON array of operation objects.');
  return body.map((change) => {
    if (typeof change !== 'object' || change === null || Array.isArray(change)) {
      throw new HttpFault(400, 'Operations must be JSON objects.');
    }
    return parseOperation(change as Record<string, unknown>, contentType === PATCH_V20);
  });
}

function parseOperation(change: Record<string, unknown>, isV20: boolean): PatchOperation {
  const named = isV20
    ? OPERATIONS.filter((name) => Object.hasOwn(change, name))
    : OPERATIONS.filter((name) => change.op === name);
  const [op] = named;
  if (op === undefined || named.length > 1) {
    const given = isV20 ? '' : ` '${String(change.op)}'`;
    throw new HttpFault(400, `Operation objects must contain one operation of add, remove, replace: not${given}.`);
  }
  const key = parsePointer(isV20 ? change[op] : change.path);
  if (op !== 'remove' && !Object.hasOwn(change, 'value')) {
    throw new HttpFault(400, `Operation "${op}" requires a member named "value".`);
  }
  return { op, key, value: change.value };
}

/** JSON pointer (RFC 6901) to a whole attribute. */
function parsePointer(pointer: unknown): string {
  if (typeof pointer !== 'string') throw new HttpFault(400, 'Operation objects must contain a path.');
  if (!pointer.startsWith('/')) throw new HttpFault(400, `Pointer \`${pointer}\` does not start with "/".`);
  const name = pointer.slice(1);
  if (name === '' || name.trim() !== name) throw new HttpFault(400, `Pointer \`${pointer}\` is not a JSON pointer.`);
  if (name.includes('/')) throw new HttpFault(400, `Invalid JSON pointer for this resource: '${pointer}'`);
  if (/~(?![01])/.test(name))
    throw new HttpFault(400, `Pointer \`${pointer}\` contains "~" not part of a recognized escape sequence.`);
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** Formats are what the bytes were checked against: they stay once there are bytes. */
const ONLY_WHILE_QUEUED: readonly string[] = ['disk_format', 'container_format'];

export function applyPatch(image: Image, operations: readonly PatchOperation[]): Image {
  const patched = operations.reduce(applyOperation, image);
  checkFormats(patched);
  return patched;
}

function applyOperation(image: Image, { op, key, value }: PatchOperation): Image {
  refuseReadOnly(key);
  if (key === 'id') throw new HttpFault(403, "Attribute 'id' is read-only.");
  if (op !== 'remove') {
    if (ONLY_WHILE_QUEUED.includes(key) && image.status !== 'queued') {
      throw new HttpFault(403, `Attribute ${key} can be only replaced for a queued image.`);
    }
    if (op === 'replace' && !isAttribute(key) && !Object.hasOwn(image.properties, key)) throw noProperty(key);
    return withAttribute(image, key, value);
  }
  if (isAttribute(key)) throw new HttpFault(403, `Property ${key} may not be removed.`);
  if (!Object.hasOwn(image.properties, key)) throw noProperty(key);
  return withoutProperty(image, key);
}

const noProperty = (key: string): HttpFault => new HttpFault(409, `Property ${key} does not exist.`);
