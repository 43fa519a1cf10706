// Images: list, create, show, update, delete, activation and tags.

import { z } from 'zod';
import { CumuletError, newUuid } from '#base';
import { IMAGE, IMAGE_MEMBER, type Image, type ImageMember, memberKey } from '#model';
import type { Tx } from '#store';
import type { Reply, RequestContext } from '../http/context.ts';
import { HttpFault } from '../http/faults.ts';
import { mediaTypeOf } from '../http/request.ts';
import { type Route, route } from '../http/route.ts';
import { imageNotFound, isOwner, ownImage, visibleImage } from './access.ts';
import { checkFormats, chosenId, refuseReadOnly, withAttribute } from './attributes.ts';
import { type ImageQuery, pageLinks, pageOf, parseImageQuery, sortImages } from './listing.ts';
import { applyPatch, PATCH_V20, PATCH_V21, parsePatch } from './patch.ts';
import { imageView } from './view.ts';

type Context = RequestContext<unknown, unknown>;

export const IMPORT_METHODS = ['glance-direct', 'web-download'];

const NO_CONTENT: Reply = { status: 204 };
const MAX_TAG = 255;
const MAX_TAGS = 128;

async function list(ctx: Context): Promise<Reply> {
  const query = parseImageQuery(ctx.search);
  const images = await ctx.records.list(IMAGE, (image) => query.matches(image) && isListed(ctx, query, image));
  const { images: page, next } = pageOf(
    sortImages(
      images.map(({ value }) => value),
      query.sort,
    ),
    query,
  );
  const links = pageLinks(ctx.search, next);
  return { status: 200, body: { images: page.map(imageView), ...links, schema: '/v2/schemas/images' } };
}

/**
 * What a list shows: public images, the project's own, and those shared with it that it has accepted. Community images
 * only when asked for; other projects' only to an admin.
 */
function isListed(ctx: Context, query: ImageQuery, image: Image): boolean {
  const { visibility } = query;
  if (visibility !== undefined && visibility !== 'all' && image.visibility !== visibility) return false;
  const projectId = ctx.auth.projectId;
  if (image.visibility === 'public' || (image.owner !== null && image.owner === projectId)) return true;
  if (image.visibility === 'community') return visibility === 'community' || visibility === 'all' || ctx.isAdmin;
  if (image.visibility === 'shared' && projectId !== undefined) {
    const member = ctx.records.peek(IMAGE_MEMBER, memberKey(image.id, projectId))?.value;
    if (member) return query.memberStatus === 'all' || member.status === query.memberStatus;
  }
  return ctx.isAdmin;
}

const body = z.record(z.string(), z.unknown());

async function create(ctx: RequestContext<Record<string, unknown>, unknown>): Promise<Reply> {
  const now = ctx.clock.now();
  const id = chosenId(ctx.body) ?? newUuid();
  let image: Image = {
    id,
    name: null,
    owner: ctx.auth.projectId ?? null,
    visibility: 'shared',
    status: 'queued',
    protected: false,
    hidden: false,
    diskFormat: null,
    containerFormat: null,
    minDiskGib: 0,
    minRamMib: 0,
    tags: [],
    properties: {},
    content: null,
    staged: null,
    transfer: null,
    message: null,
    createdAt: now,
    updatedAt: now,
  };
  for (const [key, value] of Object.entries(ctx.body)) {
    refuseReadOnly(key);
    if (key !== 'id') image = withAttribute(image, key, value);
  }
  checkFormats(image);
  checkRights(ctx, undefined, image);
  try {
    await ctx.records.transact((tx) => tx.create(IMAGE, image));
  } catch (error) {
    if (error instanceof CumuletError && error.code === 'already_exists') {
      throw new CumuletError('conflict', `Image ID ${id} already exists!`, { cause: error });
    }
    throw error;
  }
  const headers = {
    Location: ctx.url(`/image/v2/images/${id}`),
    'OpenStack-image-import-methods': IMPORT_METHODS.join(','),
  };
  return { status: 201, body: imageView(image), headers };
}

/** What needs more than the right to change the image. */
function checkRights(ctx: Context, before: Image | undefined, after: Image): void {
  if (after.visibility !== before?.visibility) {
    if (after.visibility === 'public') ctx.enforce('publicize_image');
    if (after.visibility === 'community') ctx.enforce('communitize_image');
  }
  const owner = before === undefined ? (ctx.auth.projectId ?? null) : before.owner;
  if (after.owner !== owner && !ctx.isAdmin) {
    throw new HttpFault(403, `You are not permitted to set the owner of an image to '${after.owner}'.`);
  }
}

async function show(ctx: Context): Promise<Reply> {
  return { status: 200, body: imageView(await visibleImage(ctx)) };
}

async function update(ctx: Context): Promise<Reply> {
  const operations = parsePatch(ctx.body, mediaTypeOf(ctx.request) ?? '');
  const image = await ctx.records.transact((tx) => {
    const before = ownImage(ctx, tx, 'modify_image');
    const after = applyPatch(before, operations);
    checkRights(ctx, before, after);
    if (operations.length === 0) return before;
    const written = { ...after, updatedAt: ctx.clock.now() };
    tx.update(IMAGE, written);
    return written;
  });
  return { status: 200, body: imageView(image) };
}

/** Members that go with their image in one transaction; the rest follow. */
const MEMBERS_AT_ONCE = 50;

async function remove(ctx: Context): Promise<Reply> {
  const id = ctx.param('image_id');
  const isOfImage = (member: ImageMember) => member.imageId === id;
  await ctx.records.transact((tx) => {
    const image = ownImage(ctx, tx, 'delete_image');
    if (image.protected) throw new HttpFault(403, `Image ${id} is protected and cannot be deleted.`);
    tx.delete(IMAGE, id);
    for (const member of tx.list(IMAGE_MEMBER, isOfImage).slice(0, MEMBERS_AT_ONCE))
      tx.delete(IMAGE_MEMBER, memberKey(id, member.memberId));
  });
  for (let left = ctx.records.peekList(IMAGE_MEMBER, isOfImage); left.length > 0; left = left.slice(MEMBERS_AT_ONCE)) {
    await ctx.records.transact((tx) => {
      for (const { value } of left.slice(0, MEMBERS_AT_ONCE)) tx.delete(IMAGE_MEMBER, memberKey(id, value.memberId));
    });
  }
  return NO_CONTENT;
}

async function setActive(ctx: Context, from: Image['status'], to: Image['status'], rule: string): Promise<Reply> {
  await ctx.records.transact((tx) => {
    const image = ownImage(ctx, tx, rule);
    if (image.status === to) return;
    if (image.status !== from) throw new HttpFault(403, `Not allowed to ${rule} image in status '${image.status}'`);
    tx.update(IMAGE, { ...image, status: to, updatedAt: ctx.clock.now() });
  });
  return NO_CONTENT;
}

function retag(ctx: Context, change: (tags: readonly string[], tag: string) => readonly string[]): Promise<Reply> {
  const tag = ctx.param('tag');
  if (tag.length > MAX_TAG) throw new HttpFault(400, `Tag is too long: a tag has at most ${MAX_TAG} characters.`);
  return ctx.records.transact((tx: Tx) => {
    const image = ownImage(ctx, tx, 'modify_image');
    const tags = change(image.tags, tag);
    if (tags.length > MAX_TAGS) {
      throw new HttpFault(413, `The limit has been exceeded on the number of allowed image tags. Maximum: ${MAX_TAGS}`);
    }
    if (tags !== image.tags) tx.update(IMAGE, { ...image, tags, updatedAt: ctx.clock.now() });
    return NO_CONTENT;
  });
}

async function tasks(ctx: Context): Promise<Reply> {
  const image = await visibleImage(ctx);
  if (!isOwner(ctx, image)) throw imageNotFound(image.id);
  return { status: 200, body: { tasks: [] } };
}

export const IMAGE_ROUTES: readonly Route[] = [
  route({ method: 'GET', path: '/images', rule: 'get_images', handler: list }),
  route({ method: 'POST', path: '/images', rule: 'add_image', body, handler: create }),
  route({ method: 'GET', path: '/images/:image_id', rule: 'get_image', handler: show }),
  route({
    method: 'PATCH',
    path: '/images/:image_id',
    rule: 'modify_image',
    body: z.unknown(),
    contentTypes: [PATCH_V21, PATCH_V20],
    handler: update,
  }),
  route({ method: 'DELETE', path: '/images/:image_id', rule: 'delete_image', handler: remove }),
  route({
    method: 'POST',
    path: '/images/:image_id/actions/deactivate',
    rule: 'deactivate',
    handler: (ctx) => setActive(ctx, 'active', 'deactivated', 'deactivate'),
  }),
  route({
    method: 'POST',
    path: '/images/:image_id/actions/reactivate',
    rule: 'reactivate',
    handler: (ctx) => setActive(ctx, 'deactivated', 'active', 'reactivate'),
  }),
  route({
    method: 'PUT',
    path: '/images/:image_id/tags/:tag',
    rule: 'modify_image',
    handler: (ctx) => retag(ctx, (tags, tag) => (tags.includes(tag) ? tags : [...tags, tag])),
  }),
  route({
    method: 'DELETE',
    path: '/images/:image_id/tags/:tag',
    rule: 'modify_image',
    handler: (ctx) =>
      retag(ctx, (tags, tag) => {
        if (!tags.includes(tag)) throw new CumuletError('not_found', `No image tag found with name ${tag}`);
        return tags.filter((other) => other !== tag);
      }),
  }),
  route({ method: 'GET', path: '/images/:image_id/tasks', rule: 'get_task', handler: tasks }),
];
