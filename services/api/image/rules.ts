// Glance's policy rules: who may ask at all. Whether the image may be seen or is the caller's own is decided per image
// (access.ts), after the rule.

import { PROJECT_ADMIN, PROJECT_MEMBER, PROJECT_READER, type Rules } from '../policy/checks.ts';

export const IMAGE_RULES: Rules = {
  get_images: PROJECT_READER,
  get_image: PROJECT_READER,
  download_image: PROJECT_READER,
  add_image: PROJECT_MEMBER,
  modify_image: PROJECT_MEMBER,
  delete_image: PROJECT_MEMBER,
  upload_image: PROJECT_MEMBER,
  deactivate: PROJECT_MEMBER,
  reactivate: PROJECT_MEMBER,
  publicize_image: PROJECT_ADMIN,
  communitize_image: PROJECT_MEMBER,
  get_members: PROJECT_READER,
  get_member: PROJECT_READER,
  add_member: PROJECT_MEMBER,
  modify_member: PROJECT_MEMBER,
  delete_member: PROJECT_MEMBER,
  get_task: PROJECT_READER,
};
