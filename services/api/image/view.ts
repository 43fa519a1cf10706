// An image and a member as Glance v2 shows them. Links are paths from the service's root, as Glance's: clients put their
// endpoint before them.

import type { Image, ImageMember } from '#model';
import { zulu } from '../http/time.ts';

export function imageView(image: Image): Record<string, unknown> {
  const { content } = image;
  return {
    ...image.properties,
    id: image.id,
    name: image.name,
    owner: image.owner,
    status: image.status,
    visibility: image.visibility,
    protected: image.protected,
    os_hidden: image.hidden,
    disk_format: image.diskFormat,
    container_format: image.containerFormat,
    min_disk: image.minDiskGib,
    min_ram: image.minRamMib,
    size: content?.size ?? null,
    virtual_size: content?.virtualSize ?? null,
    checksum: content?.checksum ?? null,
    os_hash_algo: content ? 'sha512' : null,
    os_hash_value: content?.hash ?? null,
    tags: image.tags,
    // An extension: why the last upload was refused.
    ...(image.message === null ? {} : { message: image.message }),
    created_at: zulu(image.createdAt),
    updated_at: zulu(image.updatedAt),
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: '/v2/schemas/image',
  };
}

export const memberView = (member: ImageMember): Record<string, unknown> => ({
  image_id: member.imageId,
  member_id: member.memberId,
  status: member.status,
  created_at: zulu(member.createdAt),
  updated_at: zulu(member.updatedAt),
  schema: '/v2/schemas/member',
});
