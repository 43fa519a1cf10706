// Which images a token may see and change. An image that it may not see does not exist for it.

import { CumuletError } from '#base';
import { IMAGE, IMAGE_MEMBER, type Image, type ImageMember, maySeeImage, memberKey } from '#model';
import type { Tx } from '#store';
import type { RequestContext } from '../http/context.ts';
import { HttpFault } from '../http/faults.ts';

type Context = RequestContext<unknown, unknown>;

export const imageNotFound = (id: string): CumuletError =>
  new CumuletError('not_found', `No image found with ID ${id}`);

const memberOf = (ctx: Context, id: string, read: (key: string) => ImageMember | undefined): boolean => {
  const projectId = ctx.maybeAuth?.projectId;
  return projectId !== undefined && read(memberKey(id, projectId)) !== undefined;
};

/** The image of the path, as the token may see it. */
export async function visibleImage(ctx: Context, id = ctx.param('image_id')): Promise<Image> {
  const image = (await ctx.records.get(IMAGE, id))?.value;
  const isMember = memberOf(ctx, id, (key) => ctx.records.peek(IMAGE_MEMBER, key)?.value);
  const who = { projectId: ctx.auth.projectId, isAdmin: ctx.isAdmin };
  if (image === undefined || !maySeeImage(image, who, isMember)) throw imageNotFound(id);
  return image;
}

/** The image within a transaction, which the token may change: its own project's, or any for an admin. */
export function ownImage(ctx: Context, tx: Tx, rule: string, id = ctx.param('image_id')): Image {
  const image = tx.get(IMAGE, id);
  const isMember = memberOf(ctx, id, (key) => tx.get(IMAGE_MEMBER, key));
  const who = { projectId: ctx.auth.projectId, isAdmin: ctx.isAdmin };
  if (image === undefined || !maySeeImage(image, who, isMember)) throw imageNotFound(id);
  if (!isOwner(ctx, image)) throw new HttpFault(403, `You are not authorized to complete ${rule} action.`);
  return image;
}

export const isOwner = (ctx: Context, image: Image): boolean =>
  ctx.isAdmin || (image.owner !== null && image.owner === ctx.auth.projectId);
