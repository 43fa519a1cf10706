// The scheduler: a wish and the hosts in, an ordered list of suitable hosts and a verdict on every host out. Pure, and
// the same for the same seed: hosts that no weigher tells apart are ordered by a hash of the seed and their name, so
// that many schedulers do not all run to the first host of the alphabet.

import type { HostVerdict } from '#model';
import { AFFINITY_FILTER, FILTERS, type Filter } from './filters.ts';
import type { HostView, RequestSpec } from './request-spec.ts';
import { WEIGHERS, type Weigher } from './weighers.ts';

export interface Decision {
  /** Suitable hosts, the best first. Empty: no valid host. */
  readonly candidates: readonly HostView[];
  /** On every host, in order of name; the best candidate is `chosen`. */
  readonly verdicts: readonly HostVerdict[];
}

/** FNV-1a, 32 bits: an even spread over short names, not a secret. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

export function schedule(
  spec: RequestSpec,
  hosts: readonly HostView[],
  seed: string,
  filters: readonly Filter[] = FILTERS,
  weighers: readonly Weigher[] = WEIGHERS,
): Decision {
  const refusals = new Map<string, { filter: string; reason: string }>();
  const groupStarted = spec.group?.policy === 'affinity' && hosts.some((view) => view.groupMembers > 0);
  const suitable: HostView[] = [];
  for (const view of hosts) {
    let refused = false;
    for (const filter of filters) {
      const reason = filter.refuses(view, spec);
      if (reason === undefined) continue;
      refusals.set(view.host.name, { filter: filter.name, reason });
      refused = true;
      break;
    }
    if (!refused && groupStarted && view.groupMembers === 0) {
      const reason = 'server group: its other servers run elsewhere';
      refusals.set(view.host.name, { filter: AFFINITY_FILTER, reason });
      refused = true;
    }
    if (!refused) suitable.push(view);
  }
  const weighed = suitable.map((view) => ({
    view,
    weights: weighers.map((weigher) => weigher.weigh(view, spec)),
    tie: hash(`${seed}/${view.host.name}`),
  }));
  weighed.sort((a, b) => {
    for (let at = 0; at < a.weights.length; at++) {
      const difference = b.weights[at]! - a.weights[at]!;
      if (difference !== 0) return difference;
    }
    return a.tie - b.tie || (a.view.host.name < b.view.host.name ? -1 : 1);
  });
  const candidates = weighed.map(({ view }) => view);
  const chosen = candidates[0]?.host.name;
  const verdicts = hosts
    .map(({ host: { name } }): HostVerdict => {
      const refusal = refusals.get(name);
      if (refusal !== undefined) return { host: name, verdict: 'refused', ...refusal };
      return { host: name, verdict: name === chosen ? 'chosen' : 'suitable', filter: null, reason: null };
    })
    .sort((a, b) => (a.host < b.host ? -1 : 1));
  return { candidates, verdicts };
}

/** Nova's words; clients match them. */
export const NO_VALID_HOST = 'No valid host was found. There are not enough hosts available.';

/** Nova's words, and behind them the first reasons: short enough for a fault's 255 characters. */
export function explainNoValidHost(verdicts: readonly HostVerdict[], limit = 255): string {
  if (verdicts.length === 0) return `${NO_VALID_HOST} No node agent has reported yet.`;
  let text = NO_VALID_HOST;
  for (const [at, verdict] of verdicts.entries()) {
    const part = `${at === 0 ? ' ' : '; '}${verdict.host}: ${verdict.reason}`;
    if (text.length + part.length > limit - 4) return `${text} ...`;
    text += part;
  }
  return text;
}
