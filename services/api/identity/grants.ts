// Who holds which role where, kept by actor from the watch of assignments, so that a token is checked without a scan.

import {
  type ActorType,
  ASSIGNMENT,
  type Assignment,
  ROLE,
  type Role,
  type TargetType,
  USER_GROUP,
  withImplied,
} from '#model';
import type { Records } from '#store';

export interface Scope {
  readonly type: TargetType;
  readonly id: string;
}

export class Grants {
  readonly #records: Records;
  /** Assignments by `<actor type>:<actor id>`, then by their id. */
  readonly #byActor = new Map<string, Map<string, Assignment>>();
  readonly #groupsOfUser = new Map<string, Set<string>>();
  readonly #cancels: (() => void)[];

  constructor(records: Records) {
    this.#records = records;
    this.#cancels = [
      records.watch(ASSIGNMENT, (change) => {
        const value = change.type === 'put' ? change.value : change.previous;
        const key = `${value.actorType}:${value.actorId}`;
        const held = this.#byActor.get(key) ?? new Map<string, Assignment>();
        if (change.type === 'put') held.set(ASSIGNMENT.id(value), value);
        else held.delete(ASSIGNMENT.id(value));
        if (held.size === 0) this.#byActor.delete(key);
        else this.#byActor.set(key, held);
      }),
      records.watch(USER_GROUP, (change) => {
        const previous = change.previous;
        for (const user of previous?.userIds ?? []) this.#groupsOfUser.get(user)?.delete(previous!.id);
        if (change.type === 'delete') return;
        for (const user of change.value.userIds) {
          const groups = this.#groupsOfUser.get(user) ?? new Set();
          this.#groupsOfUser.set(user, groups.add(change.value.id));
        }
      }),
    ];
  }

  close(): void {
    for (const cancel of this.#cancels) cancel();
  }

  of(actorType: ActorType, actorId: string): Assignment[] {
    return [...(this.#byActor.get(`${actorType}:${actorId}`)?.values() ?? [])];
  }

  /** The user's own and those of its groups. */
  ofUser(userId: string): Assignment[] {
    const groups = [...(this.#groupsOfUser.get(userId) ?? [])];
    return [...this.of('user', userId), ...groups.flatMap((group) => this.of('group', group))];
  }

  /** The roles that the user has in the scope, with those that they imply. */
  roles(userId: string, scope: Scope): Role[] {
    const held = this.ofUser(userId).filter((each) => each.targetType === scope.type && each.targetId === scope.id);
    return withImplied(
      held.map((each) => each.roleId),
      (id) => this.#records.peek(ROLE, id)?.value,
    );
  }

  /** Ids of the targets of a type on which the user holds any role. */
  targets(userId: string, type: TargetType): Set<string> {
    return new Set(this.ofUser(userId).flatMap((each) => (each.targetType === type ? [each.targetId] : [])));
  }
}
