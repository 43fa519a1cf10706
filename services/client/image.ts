// Image v2: metadata as JSON, data as a stream.

import type { Readable } from 'node:stream';
import { Collection, type Resource } from './collection.ts';
import type { HttpResponse } from './http.ts';
import type { Session } from './session.ts';

export interface Image extends Resource {
  readonly status: string;
  readonly size?: number | null;
}

export interface ImagePatch {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}

export class ImageClient {
  readonly session: Session;
  readonly images: Collection<Image>;

  constructor(session: Session) {
    this.session = session;
    this.images = new Collection<Image>(session, {
      service: 'image',
      path: '/images',
      plural: 'images',
      noun: 'image',
      nameQuery: 'name',
    });
  }

  /** `size` is sent as Content-Length when it is known: the server can then refuse early. */
  async upload(id: string, data: Readable, size?: number): Promise<void> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    if (size !== undefined) headers['content-length'] = String(size);
    await this.session.call('image', 'PUT', `/images/${id}/file`, { body: data, headers });
  }

  async download(id: string): Promise<HttpResponse> {
    return this.session.open('image', 'GET', `/images/${id}/file`, { headers: { accept: 'application/octet-stream' } });
  }

  async patch(id: string, changes: readonly ImagePatch[]): Promise<Image> {
    const headers = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
    const body = JSON.stringify(changes);
    return (await this.session.call('image', 'PATCH', `/images/${id}`, { body, headers })).json as Image;
  }

  async setActive(id: string, active: boolean): Promise<void> {
    await this.session.call('image', 'POST', `/images/${id}/actions/${active ? 'reactivate' : 'deactivate'}`);
  }

  async tag(id: string, tag: string): Promise<void> {
    await this.session.call('image', 'PUT', `/images/${id}/tags/${encodeURIComponent(tag)}`);
  }
}
