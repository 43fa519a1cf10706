// Placement's little languages in queries: `resources=VCPU:1,MEMORY_MB:512`, `required=TRAIT,!TRAIT`, `member_of=in:a,b`,
// and which providers they leave. Pure, but for the aggregates that are handed in.

import { CumuletError, isUuid } from '#base';
import { type Aggregate, type Amounts, NOTHING, RESOURCE_CLASSES, type ResourceProvider, shortage } from '#model';

const invalid = (message: string): CumuletError => new CumuletError('invalid', message);

/** Throws 'invalid' for what is no list of CLASS:AMOUNT, and for classes that nobody knows. */
export function parseResources(text: string): Amounts {
  const amounts: Record<string, number> = { ...NOTHING };
  for (const part of text.split(',')) {
    const match = /^([A-Z0-9_]+):(\d+)$/.exec(part);
    if (match === null || Number(match[2]) < 1) {
      throw invalid(
        `Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: ${text}.`,
      );
    }
    const [, name, amount] = match;
    if (!(RESOURCE_CLASSES as readonly string[]).includes(name!)) {
      throw invalid(`Invalid resource class in resources parameter: No such resource class ${name}.`);
    }
    amounts[name!] = Number(amount);
  }
  return amounts as Amounts;
}

export interface TraitWish {
  readonly required: readonly string[];
  readonly forbidden: readonly string[];
}

/** `A,!B`; forbidden traits exist from 1.22. */
export function parseTraits(texts: readonly string[], allowForbidden: boolean): TraitWish {
  const [required, forbidden]: [string[], string[]] = [[], []];
  for (const trait of texts.flatMap((text) => text.split(','))) {
    const match = /^(!?)([A-Z0-9_]+)$/.exec(trait);
    if (match === null || (match[1] === '!' && !allowForbidden)) {
      throw invalid(
        `Invalid query string parameters: Expected 'required' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: ${trait}`,
      );
    }
    (match[1] === '!' ? forbidden : required).push(match[2]!);
  }
  return { required, forbidden };
}

/** One or more aggregates: `uuid`, `in:uuid,uuid`. */
export function parseMemberOf(text: string): string[] {
  const uuids = text.startsWith('in:') ? text.slice(3).split(',') : [text];
  for (const uuid of uuids) {
    if (!isUuid(uuid)) throw invalid(`Expected 'member_of' parameter to contain valid UUID(s). Got: ${uuid}`);
  }
  return uuids;
}

export interface ProviderWish {
  readonly amounts?: Amounts;
  readonly traits?: TraitWish;
  /** Each entry: in any of these. */
  readonly memberOf?: readonly (readonly string[])[];
}

export const aggregatesOf = (provider: ResourceProvider, aggregates: readonly Aggregate[]): string[] =>
  aggregates.filter(({ hosts }) => hosts.includes(provider.name)).map(({ uuid }) => uuid);

export function fits(provider: ResourceProvider, wish: ProviderWish, aggregates: readonly Aggregate[]): boolean {
  const { amounts, traits, memberOf = [] } = wish;
  if (amounts !== undefined && shortage(provider, amounts) !== undefined) return false;
  if (traits !== undefined) {
    if (!traits.required.every((trait) => provider.traits.includes(trait))) return false;
    if (traits.forbidden.some((trait) => provider.traits.includes(trait))) return false;
  }
  const mine = aggregatesOf(provider, aggregates);
  return memberOf.every((any) => any.some((uuid) => mine.includes(uuid)));
}

/** Only the classes that count. */
export const nonZero = (amounts: Amounts): Partial<Amounts> =>
  Object.fromEntries(RESOURCE_CLASSES.flatMap((name) => (amounts[name] > 0 ? [[name, amounts[name]]] : [])));
