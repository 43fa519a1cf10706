// Speaks to node agents: commands of proto/compute/v1 as bus requests. Every command names the generation; every command
// may be sent again.

import { CumuletError, isError } from '#base';
import type { Bus } from '#bus';
import { computeV1 } from '#gen';
import type { Ownership } from '#model';

/** What may pass while a host prepares disks. */
const SPAWN_TIMEOUT_MS = 120_000;
const COMMAND_TIMEOUT_MS = 30_000;

export interface CommandOptions {
  readonly requestId: string;
  readonly signal?: AbortSignal;
}

export type Report = computeV1.Observed__Output;

export class AgentClient {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Makes the guest and, unless told otherwise, starts it. */
  async spawn(
    owner: Ownership,
    spec: computeV1.InstanceSpec,
    options: CommandOptions & { readonly powerOn?: boolean },
  ): Promise<Report> {
    const request = computeV1.spawnRequest.encode({
      spec,
      generation: owner.generation,
      powerOn: options.powerOn ?? true,
      requestId: options.requestId,
    });
    const answer = await this.#bus.request(computeV1.subjects.spawn(owner.host), request, {
      timeout: SPAWN_TIMEOUT_MS,
      signal: options.signal,
    });
    return reportOf(computeV1.spawnResponse.decode(answer).observed);
  }

  async power(
    owner: Ownership,
    serverId: string,
    action: computeV1.PowerAction,
    options: CommandOptions & { readonly guestSeconds?: number },
  ): Promise<Report> {
    const guestSeconds = options.guestSeconds ?? 0;
    const request = computeV1.powerRequest.encode({
      instanceId: serverId,
      generation: owner.generation,
      action,
      timeoutSeconds: guestSeconds,
      requestId: options.requestId,
    });
    const answer = await this.#bus.request(computeV1.subjects.power(owner.host), request, {
      timeout: COMMAND_TIMEOUT_MS + guestSeconds * 1000,
      signal: options.signal,
    });
    return reportOf(computeV1.powerResponse.decode(answer).observed);
  }

  /** Takes away everything of this generation and older. Nothing there: fine. */
  async destroy(owner: Ownership, serverId: string, options: CommandOptions): Promise<void> {
    const request = computeV1.destroyRequest.encode({
      instanceId: serverId,
      generation: owner.generation,
      requestId: options.requestId,
    });
    try {
      await this.#bus.request(computeV1.subjects.destroy(owner.host), request, {
        timeout: COMMAND_TIMEOUT_MS,
        signal: options.signal,
      });
    } catch (error) {
      if (!isError(error, 'not_found')) throw error;
    }
  }
}

function reportOf(observed: Report | null | undefined): Report {
  if (observed) return observed;
  throw new CumuletError('internal', 'The node agent answered without a report on the guest.');
}

/** Whether the host was out of reach, as against having answered. */
export const isOutOfReach = (error: unknown): boolean => isError(error, 'unavailable') || isError(error, 'timeout');
