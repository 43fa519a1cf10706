// An image: what Glance v2 calls one. The record holds what is known about it; its bytes lie in the image store under
// their content address. Written by the image API and, for what it only finds later (an upload whose process died), by the
// image service's reconciler.
//
//   queued ──upload──► saving ──────────┐
//     │  ▲               │ refused       ▼
//     │  └───────────────┘             active ◄──► deactivated
//     ├──stage──► uploading ─► (staged) │
//     └──import─► importing ────────────┘   refused: back to queued, `message` says why

import type { Kind } from './kind.ts';

export type ImageStatus =
  | 'queued'
  | 'saving'
  | 'uploading'
  | 'importing'
  | 'active'
  | 'deactivated'
  | 'killed'
  | 'deleted'
  | 'pending_delete';

export type ImageVisibility = 'public' | 'community' | 'shared' | 'private';

export const IMAGE_VISIBILITIES: readonly ImageVisibility[] = ['community', 'public', 'private', 'shared'];

export const CONTAINER_FORMATS = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const;
export type ContainerFormat = (typeof CONTAINER_FORMATS)[number];

export const DISK_FORMATS = [
  'ami',
  'ari',
  'aki',
  'vhd',
  'vhdx',
  'vmdk',
  'raw',
  'qcow2',
  'vdi',
  'iso',
  'ploop',
] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** What is known of bytes in the image store. */
export interface ImageContent {
  /** sha256 hex: the address in the image store. */
  readonly contentId: string;
  readonly size: number;
  /** md5 hex. */
  readonly checksum: string;
  /** sha512 hex. */
  readonly hash: string;
  /** Size of the disk that a guest sees; null where the content does not say. */
  readonly virtualSize: number | null;
}

/** Bytes on their way: whoever moves them counts `beats` up; one that stands still is dead. */
export interface ImageTransfer {
  readonly id: string;
  readonly beats: number;
}

export interface Image {
  readonly id: string;
  readonly name: string | null;
  /** Project. */
  readonly owner: string | null;
  readonly visibility: ImageVisibility;
  readonly status: ImageStatus;
  readonly protected: boolean;
  readonly hidden: boolean;
  readonly diskFormat: DiskFormat | null;
  readonly containerFormat: ContainerFormat | null;
  readonly minDiskGib: number;
  readonly minRamMib: number;
  readonly tags: readonly string[];
  /** What users and tools add: hw_architecture, kernel_id, os_distro, ... */
  readonly properties: Readonly<Record<string, string>>;
  /** Null before it is active. */
  readonly content: ImageContent | null;
  /** Uploaded by `stage`, not yet imported. */
  readonly staged: ImageContent | null;
  readonly transfer: ImageTransfer | null;
  /** Why its last upload was refused. */
  readonly message: string | null;
  /** UTC microseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const IMAGE: Kind<Image> = { name: 'image', id: (image) => image.id };

export type MemberStatus = 'pending' | 'accepted' | 'rejected';

/** A project that a shared image is shared with. */
export interface ImageMember {
  readonly imageId: string;
  /** The project. */
  readonly memberId: string;
  readonly status: MemberStatus;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const memberKey = (imageId: string, memberId: string): string => `${imageId}/${memberId}`;

export const IMAGE_MEMBER: Kind<ImageMember> = {
  name: 'image-member',
  id: (member) => memberKey(member.imageId, member.memberId),
};

/** Marks what was seeded, by name, so that each start seeds nothing twice. */
export interface ImageSeed {
  readonly name: string;
  readonly imageId: string;
  readonly contentId: string;
}

export const IMAGE_SEED: Kind<ImageSeed> = { name: 'image-seed', id: (seed) => seed.name };

/** Who may see an image: its own project, everybody for public and community ones, members of a shared one. */
export function maySeeImage(
  image: Image,
  who: { readonly projectId: string | undefined; readonly isAdmin: boolean },
  isMember: boolean,
): boolean {
  if (who.isAdmin || image.visibility === 'public' || image.visibility === 'community') return true;
  if (who.projectId !== undefined && image.owner === who.projectId) return true;
  return image.visibility === 'shared' && isMember;
}
