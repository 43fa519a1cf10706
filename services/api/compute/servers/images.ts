// The image of a new server: found, seen, active, and large enough a flavor for it. What the server needs of it is copied,
// content addresses included, so that it lives on when the image is gone.

import { CumuletError } from '#base';
import { IMAGE, IMAGE_MEMBER, type Image, maySeeImage, memberKey, type ServerFlavor, type ServerImage } from '#model';
import type { RequestContext } from '../../http/context.ts';

type Context = Pick<RequestContext, 'records' | 'maybeAuth' | 'isAdmin'>;

const GIB = 1024 ** 3;
const invalid = (message: string): CumuletError => new CumuletError('invalid', message);

async function findImage(ctx: Context, id: string): Promise<Image> {
  const image = (await ctx.records.get(IMAGE, id.toLowerCase()))?.value;
  const projectId = ctx.maybeAuth?.projectId;
  const isMember =
    image !== undefined &&
    projectId !== undefined &&
    ctx.records.peek(IMAGE_MEMBER, memberKey(image.id, projectId)) !== undefined;
  const seen = image !== undefined && maySeeImage(image, { projectId, isAdmin: ctx.isAdmin }, isMember);
  if (!seen || image.status === 'deleted' || image.status === 'pending_delete') {
    throw invalid('Can not find requested image');
  }
  return image;
}

/** Kernel or ramdisk: another image, named by a property. */
async function partOf(ctx: Context, id: string | undefined, what: string): Promise<Image | null> {
  if (id === undefined || id === '') return null;
  const image = await findImage(ctx, id).catch(() => undefined);
  if (image?.content == null) throw invalid(`The image's ${what} ${id} could not be found or is not active.`);
  return image;
}

function checkFlavor(image: Image, flavor: ServerFlavor, virtualSize: number): void {
  if (flavor.ramMib < image.minRamMib) throw invalid("Flavor's memory is too small for requested image.");
  if (flavor.diskGib === 0) return;
  const bytes = flavor.diskGib * GIB;
  if (virtualSize > bytes) {
    throw invalid(
      `Flavor's disk is too small for requested image. Flavor disk is ${bytes} bytes, image is ${virtualSize} bytes.`,
    );
  }
  const least = image.minDiskGib * GIB;
  if (least > bytes) {
    throw invalid(
      `Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is ${bytes} bytes, ` +
        `minimum size is ${least} bytes.`,
    );
  }
}

export async function serverImage(ctx: Context, id: string, flavor: ServerFlavor): Promise<ServerImage> {
  const image = await findImage(ctx, id);
  if (image.status !== 'active' || image.content === null) throw invalid(`Image ${image.id} is not active.`);
  const virtualSize = image.content.virtualSize ?? image.content.size;
  checkFlavor(image, flavor, virtualSize);
  const kernel = await partOf(ctx, image.properties.kernel_id, 'kernel');
  const ramdisk = await partOf(ctx, image.properties.ramdisk_id, 'ramdisk');
  return {
    id: image.id,
    name: image.name ?? '',
    contentId: image.content.contentId,
    diskFormat: image.diskFormat ?? 'raw',
    virtualSize,
    minDiskGib: image.minDiskGib,
    minRamMib: image.minRamMib,
    kernelId: kernel?.id ?? null,
    ramdiskId: ramdisk?.id ?? null,
    kernelContentId: kernel?.content?.contentId ?? null,
    ramdiskContentId: ramdisk?.content?.contentId ?? null,
    properties: image.properties,
  };
}
