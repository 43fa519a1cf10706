// Answers "may this token do that": all areas' rules in one table. A rule that nobody wrote is refused, and the
// architecture test finds it before it is ever asked.

import type { AuthContext } from '../http/context.ts';
import type { Check, Rules, Target } from './checks.ts';

export class Policy {
  readonly #rules = new Map<string, Check>();

  constructor(...sets: readonly Rules[]) {
    for (const set of sets) this.add(set);
  }

  add(rules: Rules): void {
    for (const [name, check] of Object.entries(rules)) {
      const present = this.#rules.get(name);
      if (present !== undefined && present !== check) throw new Error(`policy rule ${name} is defined twice`);
      this.#rules.set(name, check);
    }
  }

  has(rule: string): boolean {
    return this.#rules.has(rule);
  }

  rule(name: string): Check | undefined {
    return this.#rules.get(name);
  }

  names(): string[] {
    return [...this.#rules.keys()].sort();
  }

  allows(rule: string, auth: AuthContext, target: Target = {}): boolean {
    return this.#rules.get(rule)?.test(auth, target) ?? false;
  }
}
