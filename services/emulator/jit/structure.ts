// From a control-flow graph to nested blocks and loops, after Ramsey, "Beyond Relooper" (2022): the dominator tree gives the
// nesting, and each node that several forward edges reach follows a block that they leave. A loop with several entries
// (irreducible) gets a dispatcher: one new node that all edges to those entries go through.

export interface Shape {
  /** Nodes: those of the graph, then dispatchers. Node 0 is the entry. */
  readonly count: number;
  /** Edges as they are after dispatchers came in between. */
  readonly successors: readonly (readonly number[])[];
  /** Number in reverse postorder; -1: not reached. */
  readonly order: readonly number[];
  readonly loops: readonly boolean[];
  readonly merges: readonly boolean[];
  /** Merge nodes that a node dominates immediately, by rising order. */
  readonly following: readonly (readonly number[])[];
  /** Entries of an irreducible loop: edges to the node go to its dispatcher, with this label. */
  readonly dispatch: ReadonlyMap<number, { readonly dispatcher: number; readonly label: number }>;
}

/** Strongly connected components of the nodes in `within`, of those that are cycles. Iterative (Tarjan). */
function cycles(successors: readonly (readonly number[])[], within: ReadonlySet<number>): Set<number>[] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const found: Set<number>[] = [];
  for (const root of within) {
    if (index.has(root)) continue;
    const work: { node: number; next: number }[] = [{ node: root, next: 0 }];
    while (work.length > 0) {
      const frame = work[work.length - 1]!;
      const { node } = frame;
      if (frame.next === 0) {
        index.set(node, index.size);
        low.set(node, index.get(node)!);
        stack.push(node);
        onStack.add(node);
      }
      const to = successors[node]![frame.next];
      if (to !== undefined) {
        frame.next++;
        if (!within.has(to)) continue;
        if (!index.has(to)) work.push({ node: to, next: 0 });
        else if (onStack.has(to)) low.set(node, Math.min(low.get(node)!, index.get(to)!));
        continue;
      }
      work.pop();
      const parent = work[work.length - 1];
      if (parent) low.set(parent.node, Math.min(low.get(parent.node)!, low.get(node)!));
      if (low.get(node) !== index.get(node)) continue;
      const component = new Set<number>();
      for (;;) {
        const member = stack.pop()!;
        onStack.delete(member);
        component.add(member);
        if (member === node) break;
      }
      if (component.size > 1 || successors[node]!.includes(node)) found.push(component);
    }
  }
  return found;
}

/** Puts dispatchers in front of loops with several entries. */
function makeReducible(edges: number[][], dispatch: Map<number, { dispatcher: number; label: number }>): void {
  const visit = (within: ReadonlySet<number>): void => {
    for (const component of cycles(edges, within)) {
      const entries: number[] = [];
      for (const node of component) {
        const outside = edges.some((to, from) => !component.has(from) && to.includes(node));
        if (outside || node === 0) entries.push(node);
      }
      const rest = new Set(component);
      if (entries.length > 1) {
        const dispatcher = edges.length;
        edges.push([]);
        entries.forEach((entry, label) => {
          dispatch.set(entry, { dispatcher, label });
        });
        for (let from = 0; from < dispatcher; from++) {
          edges[from] = edges[from]!.map((to) => (entries.includes(to) ? dispatcher : to));
        }
        edges[dispatcher] = entries;
      }
      for (const entry of entries) rest.delete(entry);
      if (rest.size > 0) visit(rest);
    }
  };
  visit(new Set(edges.keys()));
}

interface Dominance {
  readonly order: number[];
  /** Reached nodes in reverse postorder. */
  readonly reverse: number[];
  readonly predecessors: number[][];
  readonly dominator: number[];
}

function dominanceOf(edges: readonly (readonly number[])[]): Dominance {
  const count = edges.length;
  const order = new Array<number>(count).fill(-1);
  const reverse: number[] = [];
  const seen = new Uint8Array(count);
  seen[0] = 1;
  const [nodes, nexts] = [[0], [0]];
  while (nodes.length > 0) {
    const top = nodes.length - 1;
    const node = nodes[top]!;
    const to = edges[node]![nexts[top]!++];
    if (to === undefined) {
      reverse.push(node);
      nodes.pop();
      nexts.pop();
    } else if (!seen[to]) {
      seen[to] = 1;
      nodes.push(to);
      nexts.push(0);
    }
  }
  reverse.reverse();
  for (let i = 0; i < reverse.length; i++) order[reverse[i]!] = i;

  const predecessors: number[][] = edges.map(() => []);
  for (const from of reverse) for (const to of edges[from]!) predecessors[to]!.push(from);

  // Immediate dominators (Cooper, Harvey, Kennedy).
  const dominator = new Array<number>(count).fill(-1);
  dominator[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of reverse) {
      if (node === 0) continue;
      let best = -1;
      for (const from of predecessors[node]!) {
        if (dominator[from] === -1) continue;
        if (best === -1) {
          best = from;
          continue;
        }
        let other = from;
        while (best !== other) {
          while (order[best]! > order[other]!) best = dominator[best]!;
          while (order[other]! > order[best]!) other = dominator[other]!;
        }
      }
      if (dominator[node] !== best) {
        dominator[node] = best;
        changed = true;
      }
    }
  }
  return { order, reverse, predecessors, dominator };
}

/** Every edge against the order leads to a node that dominates its source. */
function isReducible({ order, reverse, predecessors, dominator }: Dominance): boolean {
  for (const node of reverse) {
    for (const from of predecessors[node]!) {
      if (order[from]! >= order[node]! && !dominates(dominator, order, node, from)) return false;
    }
  }
  return true;
}

export function shapeOf(graph: readonly (readonly number[])[]): Shape {
  let edges: readonly (readonly number[])[] = graph;
  const dispatch = new Map<number, { dispatcher: number; label: number }>();
  let dominance = dominanceOf(edges);
  if (!isReducible(dominance)) {
    const changed = graph.map((to) => [...to]);
    makeReducible(changed, dispatch);
    edges = changed;
    dominance = dominanceOf(edges);
    if (!isReducible(dominance)) throw new Error('a loop with several entries was left');
  }
  const { order, reverse, predecessors, dominator } = dominance;
  const count = edges.length;

  const loops = new Array<boolean>(count).fill(false);
  const merges = new Array<boolean>(count).fill(false);
  for (const node of reverse) {
    let forward = 0;
    for (const from of predecessors[node]!) {
      if (order[from]! >= order[node]!) loops[node] = true;
      else forward++;
    }
    merges[node] = forward > 1;
  }
  const following: number[][] = edges.map(() => []);
  for (const node of reverse) if (merges[node]) following[dominator[node]!]!.push(node);
  return { count, successors: edges, order, loops, merges, following, dispatch };
}

function dominates(dominator: readonly number[], order: readonly number[], by: number, node: number): boolean {
  let at = node;
  while (order[at]! > order[by]!) at = dominator[at]!;
  return at === by;
}
