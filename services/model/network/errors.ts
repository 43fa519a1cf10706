// The refusals of the network area. `detail.type` is the name of Neutron's exception, which clients match.

import { CumuletError, type ErrorCode } from '#base';

export function networkError(code: ErrorCode, type: string, message: string): CumuletError {
  return new CumuletError(code, message, { detail: { type } });
}

const NOUNS = {
  Network: 'Network',
  Subnet: 'Subnet',
  Port: 'Port',
  Router: 'Router',
  SecurityGroup: 'Security group',
  SecurityGroupRule: 'Security group rule',
} as const;

/** `NetworkNotFound` and its like, in Neutron's words. */
export function networkNotFound(noun: keyof typeof NOUNS, id: string): CumuletError {
  const verb = noun.startsWith('SecurityGroup') ? 'does not exist' : 'could not be found';
  return networkError('not_found', `${noun}NotFound`, `${NOUNS[noun]} ${id} ${verb}.`);
}
