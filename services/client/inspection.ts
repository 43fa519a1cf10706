// What Cumulet's extension of compute shows of a running server's inside (docs/debugging.md).

export interface ExitCount {
  readonly reason: string;
  readonly detail: string;
  readonly count: number;
}

export interface TlbContext {
  readonly mode: string;
  readonly asid?: number;
  readonly root_page?: number;
  readonly current: boolean;
  readonly reads: number;
  readonly writes: number;
  readonly fetches: number;
  readonly walks: number;
  readonly returns: number;
}

export interface InspectedHart {
  readonly id: number;
  readonly state: string;
  readonly pc: string;
  readonly instruction: string | null;
  readonly privilege: string;
  readonly waiting: boolean;
  readonly x: readonly string[];
  readonly f: readonly string[];
  readonly csrs: Readonly<Record<string, string>>;
  readonly modes: { readonly user: number; readonly supervisor: number; readonly machine: number };
  readonly counters: Readonly<Record<string, number>>;
  readonly exits: readonly ExitCount[];
  readonly tlb: { readonly walks: number; readonly fences: number; readonly contexts: readonly TlbContext[] };
}

export interface InspectedDevice {
  readonly slot: number;
  readonly device: string;
  readonly status: readonly string[];
  readonly features: string;
  readonly interrupt_pending: boolean;
  readonly queues: readonly {
    readonly queue: number;
    readonly size: number;
    readonly ready: boolean;
    readonly available: number | null;
    readonly used: number | null;
    readonly pending: number | null;
  }[];
}

export interface Inspection {
  readonly state: string;
  readonly uptime_ms: number;
  readonly memory_mib: number;
  readonly harts: readonly InspectedHart[];
  readonly devices: readonly InspectedDevice[];
}

export interface Translation {
  readonly hart: number;
  readonly address: string;
  readonly privilege: string;
  readonly mode: string;
  readonly asid: number;
  readonly root: string | null;
  readonly levels: readonly {
    readonly level: number;
    readonly index: number;
    readonly entry_address: string;
    readonly entry: string | null;
    readonly flags: string;
    readonly kind: string;
    readonly physical: string | null;
  }[];
  readonly physical: string | null;
  readonly ram_offset: string | null;
  readonly page_bytes: number | null;
  readonly fault: string | null;
  readonly allowed: readonly string[];
}
