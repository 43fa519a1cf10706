// The password that a server is given when its owner names none: Nova's length.

import { newSecret } from '#base';

const LENGTH = 12;

export const newPassword = (): string => newSecret(LENGTH).slice(0, LENGTH);
