// A project's default security group: made when it is first needed, as Neutron does.
import {
  DEFAULT_SECURITY_GROUP,
  planDefaultSecurityGroup,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  type SecurityGroup,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Planning, planning } from './resource.ts';

const isDefaultOf = (projectId: string) => (group: SecurityGroup) =>
  group.projectId === projectId && group.name === DEFAULT_SECURITY_GROUP;

/** Inside a transaction: the id of the project's default group. */
export function ensureDefaultGroup(
  { tx, now, newId }: Pick<Planning, 'tx' | 'now' | 'newId'>,
  projectId: string,
): string {
  const [present] = tx.list(SECURITY_GROUP, isDefaultOf(projectId));
  if (present !== undefined) return present.id;
  const { group, rules } = planDefaultSecurityGroup(projectId, newId, now);
  tx.create(SECURITY_GROUP, group);
  for (const rule of rules) tx.create(SECURITY_GROUP_RULE, rule);
  return group.id;
}

/** Before groups are listed or made: the caller's project has its default group. */
export async function prepareDefaultGroup(context: RequestContext): Promise<void> {
  const { projectId } = context.auth;
  if (projectId === undefined || context.records.peekList(SECURITY_GROUP, isDefaultOf(projectId)).length > 0) return;
  await context.records.transact((tx) => ensureDefaultGroup(planning(tx, context), projectId));
}
