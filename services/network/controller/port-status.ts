// The status of ports, from what agents report: a port is ACTIVE while the host that it is bound to has it plugged, else
// DOWN. Reports come whole and again and again, so a lost one is made good by the next.

import type { Clock } from '#base';
import type { networkV1 } from '#gen';
import { isInfrastructurePort, PORT, type Port, type PortStatus } from '#model';
import type { Records } from '#store';

interface Told {
  readonly host: string;
  readonly plugged: ReadonlySet<string>;
  readonly complete: boolean;
}

export class PortStatusWriter {
  readonly #records: Records;
  readonly #clock: Clock;
  /** The newest report of each host: an older one that comes late says nothing. */
  readonly #seen = new Map<string, number>();

  constructor(records: Records, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  async take(report: networkV1.PortsReport__Output): Promise<void> {
    if (report.sentAt < (this.#seen.get(report.host) ?? 0)) return;
    this.#seen.set(report.host, report.sentAt);
    const plugged = new Set(report.pluggedPortIds);
    const { host, complete } = report;
    const told: Told = { host, plugged, complete };
    const wrong = this.#records
      .peekList(PORT, (port) => statusOf(port, told) !== port.status)
      .map(({ value }) => value.id);
    await Promise.all(wrong.map((id) => this.#correct(id, told)));
  }

  #correct(id: string, told: Told): Promise<void> {
    return this.#records.transact((tx) => {
      const port = tx.get(PORT, id);
      if (port === undefined) return;
      const status = statusOf(port, told);
      if (status === port.status) return;
      const revisionNumber = port.revisionNumber + 1;
      tx.update(PORT, { ...port, status, revisionNumber, updatedAt: this.#clock.now() });
    });
  }
}

/** What the host's report makes of the port's status; ports of other hosts and of routers keep theirs. */
function statusOf(port: Port, { host, plugged, complete }: Told): PortStatus {
  if (port.binding.hostId !== host || isInfrastructurePort(port)) return port.status;
  if (plugged.has(port.id) && port.adminStateUp) return 'ACTIVE';
  return complete || !port.adminStateUp ? 'DOWN' : port.status;
}
