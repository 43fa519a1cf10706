// Members: the projects that a shared image is shared with. The owner adds and removes them; only the member itself says
// whether it accepts.

import { z } from 'zod';
import { CumuletError } from '#base';
import { IMAGE_MEMBER, type Image, type ImageMember, memberKey } from '#model';
import type { Reply, RequestContext } from '../http/context.ts';
import { HttpFault } from '../http/faults.ts';
import { type Route, route } from '../http/route.ts';
import { isOwner, ownImage, visibleImage } from './access.ts';
import { memberView } from './view.ts';

type Context = RequestContext<unknown, unknown>;

const MAX_MEMBERS = 128;

function refuseUnshared(image: Image): void {
  if (image.visibility !== 'shared') throw new HttpFault(403, 'Only shared images have members.');
}

const noMember = (imageId: string, memberId: string): CumuletError =>
  new CumuletError('not_found', `${memberId} not found in the member list of the image ${imageId}.`);

/** The owner sees all, a member itself alone. */
function visibleMembers(ctx: Context, image: Image): ImageMember[] {
  const mine = ctx.auth.projectId;
  const all = isOwner(ctx, image);
  const found = ctx.records.peekList(
    IMAGE_MEMBER,
    (member) => member.imageId === image.id && (all || member.memberId === mine),
  );
  return found.map(({ value }) => value).sort((a, b) => a.createdAt - b.createdAt);
}

async function list(ctx: Context): Promise<Reply> {
  const image = await visibleImage(ctx);
  refuseUnshared(image);
  const members = visibleMembers(ctx, image).map(memberView);
  return { status: 200, body: { members, schema: '/v2/schemas/members' } };
}

async function show(ctx: Context): Promise<Reply> {
  const image = await visibleImage(ctx);
  const member = visibleMembers(ctx, image).find(({ memberId }) => memberId === ctx.param('member_id'));
  if (member === undefined) throw noMember(image.id, ctx.param('member_id'));
  return { status: 200, body: memberView(member) };
}

const newMember = z.object({ member: z.string().min(1).max(255) });

async function add(ctx: RequestContext<z.output<typeof newMember>, unknown>): Promise<Reply> {
  const memberId = ctx.body.member;
  const member = await ctx.records.transact((tx) => {
    const image = ownImage(ctx, tx, 'add_member');
    refuseUnshared(image);
    const present = tx.list(IMAGE_MEMBER, (other) => other.imageId === image.id);
    if (present.some((other) => other.memberId === memberId)) {
      throw new CumuletError('conflict', `The project ${memberId} is a member of the image ${image.id} already.`);
    }
    if (present.length >= MAX_MEMBERS) {
      const message = `The limit has been exceeded on the number of allowed image members for this image. Maximum: ${MAX_MEMBERS}`;
      throw new HttpFault(413, message);
    }
    const now = ctx.clock.now();
    const made: ImageMember = { imageId: image.id, memberId, status: 'pending', createdAt: now, updatedAt: now };
    tx.create(IMAGE_MEMBER, made);
    return made;
  });
  return { status: 200, body: memberView(member) };
}

const memberStatus = z.object({ status: z.enum(['pending', 'accepted', 'rejected']) });

async function answer(ctx: RequestContext<z.output<typeof memberStatus>, unknown>): Promise<Reply> {
  const image = await visibleImage(ctx);
  const memberId = ctx.param('member_id');
  if (memberId !== ctx.auth.projectId && !ctx.isAdmin) {
    if (!isOwner(ctx, image)) throw noMember(image.id, memberId);
    throw new HttpFault(403, 'You are not permitted to modify this image member: only the member itself may.');
  }
  const member = await ctx.records.transact((tx) => {
    const present = tx.get(IMAGE_MEMBER, memberKey(image.id, memberId));
    if (present === undefined) throw noMember(image.id, memberId);
    const changed: ImageMember = { ...present, status: ctx.body.status, updatedAt: ctx.clock.now() };
    tx.update(IMAGE_MEMBER, changed);
    return changed;
  });
  return { status: 200, body: memberView(member) };
}

async function remove(ctx: Context): Promise<Reply> {
  const memberId = ctx.param('member_id');
  await ctx.records.transact((tx) => {
    const image = ownImage(ctx, tx, 'delete_member');
    const key = memberKey(image.id, memberId);
    if (tx.get(IMAGE_MEMBER, key) === undefined) throw noMember(image.id, memberId);
    tx.delete(IMAGE_MEMBER, key);
  });
  return { status: 204 };
}

export const MEMBER_ROUTES: readonly Route[] = [
  route({ method: 'GET', path: '/images/:image_id/members', rule: 'get_members', handler: list }),
  route({ method: 'POST', path: '/images/:image_id/members', rule: 'add_member', body: newMember, handler: add }),
  route({ method: 'GET', path: '/images/:image_id/members/:member_id', rule: 'get_member', handler: show }),
  route({
    method: 'PUT',
    path: '/images/:image_id/members/:member_id',
    rule: 'modify_member',
    body: memberStatus,
    handler: answer,
  }),
  route({ method: 'DELETE', path: '/images/:image_id/members/:member_id', rule: 'delete_member', handler: remove }),
];
