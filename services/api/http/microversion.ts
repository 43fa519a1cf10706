// Microversions (compute 2.x, placement 1.x, volume 3.x): parsing, comparing, and the choice made for a request.

import { CumuletError } from '#base';

const FORM = /^([1-9]\d*)\.([1-9]\d*|0)$/;

export class Microversion {
  readonly major: number;
  readonly minor: number;

  constructor(major: number, minor: number) {
    this.major = major;
    this.minor = minor;
  }

  /** `2.26`. Throws CumuletError 'invalid' for any other form. */
  static parse(text: string): Microversion {
    const match = FORM.exec(text);
    if (match === null) {
      throw new CumuletError(
        'invalid',
        `API Version String ${text} is of invalid format. Must be of format MajorNum.MinorNum.`,
      );
    }
    return new Microversion(Number(match[1]), Number(match[2]));
  }

  compare(other: Microversion): number {
    return this.major - other.major || this.minor - other.minor;
  }

  atLeast(major: number, minor: number): boolean {
    return this.major > major || (this.major === major && this.minor >= minor);
  }

  /** Whether the version lies in the closed range; an absent end is open. */
  within(min: Microversion | undefined, max: Microversion | undefined): boolean {
    return (min === undefined || this.compare(min) >= 0) && (max === undefined || this.compare(max) <= 0);
  }

  toString(): string {
    return `${this.major}.${this.minor}`;
  }
}

/** What an area says about its microversions. */
export interface MicroversionRange {
  /** The name in `OpenStack-API-Version: <service> <version>`. */
  readonly service: string;
  readonly min: Microversion;
  readonly max: Microversion;
  /** The header from before `OpenStack-API-Version`, where the service had one. */
  readonly legacyHeader?: string;
}

/** The version is well formed and not served: 406, with the range. */
export class VersionNotServed extends Error {
  readonly asked: string;

  constructor(asked: string, range: MicroversionRange) {
    super(`Version ${asked} is not supported by the API. Minimum is ${range.min} and maximum is ${range.max}.`);
    this.asked = asked;
  }
}

/**
 * The text that the request asks for, or undefined when it names none for this service. `OpenStack-API-Version` may list
 * several services, separated by commas.
 */
export function askedVersion(
  header: (name: string) => string | undefined,
  range: MicroversionRange,
): string | undefined {
  const entries = (header('openstack-api-version') ?? '').split(',').map((entry) => entry.trim());
  for (const entry of entries) {
    const [service, version] = entry.split(/\s+/);
    if (service?.toLowerCase() === range.service) return version ?? '';
  }
  return range.legacyHeader === undefined ? undefined : header(range.legacyHeader)?.trim();
}

/** Absent means the minimum; `latest` the maximum. Throws VersionNotServed, or CumuletError 'invalid' when malformed. */
export function negotiate(asked: string | undefined, range: MicroversionRange): Microversion {
  if (asked === undefined) return range.min;
  if (asked.toLowerCase() === 'latest') return range.max;
  const version = Microversion.parse(asked);
  if (!version.within(range.min, range.max)) throw new VersionNotServed(asked, range);
  return version;
}
