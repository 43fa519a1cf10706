// The body of one function: locals, structured control flow, statements. Labels are objects; branches count depths
// themselves, so that a branch to a label that is not open is an error here and not in the engine.

import { Bytes } from './bytes.ts';
import {
  type Expr,
  Expr as ExprNode,
  type I32,
  type MemoryRef,
  type StoreKind,
  TYPE_CODE,
  type ValueType,
  writeExpr,
  writeMemoryArgument,
  writeOp,
} from './expr.ts';

export class Local<T extends ValueType = ValueType> {
  readonly type: T;
  readonly index: number;
  /** Reads it. One node serves all reads. */
  readonly get: Expr<T>;

  constructor(type: T, index: number) {
    this.type = type;
    this.index = index;
    this.get = new ExprNode(type, 0x20, [], { kind: 'index', value: index });
  }
}

export class Global<T extends ValueType = ValueType> {
  readonly type: T;
  readonly index: number;
  readonly get: Expr<T>;

  constructor(type: T, index: number) {
    this.type = type;
    this.index = index;
    this.get = new ExprNode(type, 0x23, [], { kind: 'index', value: index });
  }
}

/** A function that can be called: imported, or of this module. */
export class FunctionRef<R extends ValueType | undefined = ValueType | undefined> {
  readonly index: number;
  readonly params: readonly ValueType[];
  readonly result: R;

  constructor(index: number, params: readonly ValueType[], result: R) {
    this.index = index;
    this.params = params;
    this.result = result;
  }

  /** The value of a call, for functions with a result. */
  call(...args: Expr[]): R extends ValueType ? Expr<R> : never {
    checkArguments(this, args);
    const node = new ExprNode((this.result ?? 'i32') as ValueType, 0x10, args, { kind: 'index', value: this.index });
    return node as R extends ValueType ? Expr<R> : never;
  }
}

/** A table of functions of one type. An index beyond its end traps. */
export class TableRef<R extends ValueType = ValueType> {
  readonly index: number;
  readonly type: number;
  readonly result: R;

  constructor(index: number, type: number, result: R) {
    this.index = index;
    this.type = type;
    this.result = result;
  }

  call(index: I32, ...args: Expr[]): Expr<R> {
    return new ExprNode(this.result, 0x11, [...args, index], { kind: 'indirect', type: this.type, table: this.index });
  }
}

function checkArguments(ref: FunctionRef, args: readonly Expr[]): void {
  const wrong = args.length !== ref.params.length || args.some((a, i) => a.type !== ref.params[i]);
  if (wrong) throw new TypeError(`call of function ${ref.index}: (${args.map((a) => a.type)}) for (${ref.params})`);
}

export interface Label {
  readonly depth: number;
  open: boolean;
}

export class Code {
  readonly out = new Bytes(512);
  readonly #params: number;
  readonly #locals: ValueType[] = [];
  /** Locals that may be taken again, by type: see scope(). */
  readonly #free: Record<ValueType, Local[]> = { i32: [], i64: [], f32: [], f64: [] };
  #scope: Local[] | undefined;
  #depth = 0;

  constructor(params: number) {
    this.#params = params;
  }

  local<T extends ValueType>(type: T): Local<T> {
    const again = this.#scope && (this.#free[type].pop() as Local<T> | undefined);
    const local = again ?? new Local(type, this.#params + this.#locals.length);
    if (!again) this.#locals.push(type);
    this.#scope?.push(local);
    return local;
  }

  /** Locals made inside are free to be used again by later scopes. */
  scope(body: () => void): void {
    const outer = this.#scope;
    this.#scope = [];
    body();
    for (const local of this.#scope) this.#free[local.type].push(local);
    this.#scope = outer;
  }

  /** Locals made inside stay, whatever scope is open. */
  withoutScope<T>(body: () => T): T {
    const outer = this.#scope;
    this.#scope = undefined;
    const value = body();
    this.#scope = outer;
    return value;
  }

  set<T extends ValueType>(target: Local<T> | Global<T>, value: Expr<T>): void {
    if (value.type !== target.type) throw new TypeError(`${value.type} set to a ${target.type}`);
    writeExpr(this.out, value);
    this.out.byte(target instanceof Local ? 0x21 : 0x24);
    this.out.u32(target.index);
  }

  /** Evaluates now and names the value. */
  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    if (value.op === 0x20 || value.constant !== undefined) return value;
    return this.var(value).get;
  }

  /** A new local that holds `value`. */
  var<T extends ValueType>(value: Expr<T>): Local<T> {
    const local = this.local(value.type);
    this.set(local, value);
    return local;
  }

  /** Evaluates for its effect. */
  do(value: Expr): void {
    writeExpr(this.out, value);
    this.out.byte(0x1a);
  }

  /** Calls for the effect; a result is dropped. */
  call(ref: FunctionRef, ...args: Expr[]): void {
    checkArguments(ref, args);
    for (const arg of args) writeExpr(this.out, arg);
    this.out.byte(0x10);
    this.out.u32(ref.index);
    if (ref.result !== undefined) this.out.byte(0x1a);
  }

  /** Leaves the function by a call through a table, whose result becomes this function's (return_call_indirect). */
  tailCall(table: TableRef, index: I32, ...args: Expr[]): void {
    for (const arg of args) writeExpr(this.out, arg);
    writeExpr(this.out, index);
    this.out.byte(0x13);
    this.out.u32(table.type);
    this.out.u32(table.index);
  }

  store(memory: MemoryRef, kind: StoreKind, address: I32, value: Expr, offset = 0): void {
    if (!kind.startsWith(value.type)) throw new TypeError(`${value.type} stored as ${kind}`);
    const { op, argument } = memory.storeOp(kind, offset);
    writeExpr(this.out, address);
    writeExpr(this.out, value);
    writeOp(this.out, op);
    writeMemoryArgument(this.out, argument);
  }

  /** memory.fill */
  fill(memory: MemoryRef, address: I32, value: I32, length: I32): void {
    for (const arg of [address, value, length]) writeExpr(this.out, arg);
    writeOp(this.out, 0xfc0b);
    this.out.u32(memory.index);
  }

  /** memory.copy */
  copy(to: MemoryRef, toAddress: I32, from: MemoryRef, fromAddress: I32, length: I32): void {
    for (const arg of [toAddress, fromAddress, length]) writeExpr(this.out, arg);
    writeOp(this.out, 0xfc0a);
    this.out.u32(to.index);
    this.out.u32(from.index);
  }

  /** Orders all memory accesses of this thread (atomic.fence). */
  fence(): void {
    writeOp(this.out, 0xfe03);
    this.out.byte(0);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    writeExpr(this.out, condition);
    this.out.byte(0x04);
    this.out.byte(0x40);
    this.#depth++;
    then();
    if (otherwise) {
      this.out.byte(0x05);
      otherwise();
    }
    this.#depth--;
    this.out.byte(0x0b);
  }

  /** A branch to the label goes behind the block. */
  block(body: (label: Label) => void): void {
    this.#open(0x02, body);
  }

  /** A branch to the label goes back to the start; the end of the body leaves the loop. */
  loop(body: (label: Label) => void): void {
    this.#open(0x03, body);
  }

  #open(op: number, body: (label: Label) => void): void {
    const label = this.begin(op);
    body(label);
    this.end(label);
  }

  /** An opened block (0x02) or loop (0x03), for shapes that nest by number, such as a dispatcher's. */
  begin(op: number): Label {
    this.out.byte(op);
    this.out.byte(0x40);
    this.#depth++;
    return { depth: this.#depth, open: true };
  }

  end(label: Label): void {
    if (!label.open || label.depth !== this.#depth) throw new Error('blocks are closed in another order than opened');
    label.open = false;
    this.#depth--;
    this.out.byte(0x0b);
  }

  #distance(label: Label): number {
    if (!label.open) throw new Error('branch to a label that is closed');
    return this.#depth - label.depth;
  }

  br(label: Label): void {
    this.out.byte(0x0c);
    this.out.u32(this.#distance(label));
  }

  brIf(label: Label, condition: I32): void {
    writeExpr(this.out, condition);
    this.out.byte(0x0d);
    this.out.u32(this.#distance(label));
  }

  brTable(labels: readonly Label[], otherwise: Label, index: I32): void {
    writeExpr(this.out, index);
    this.out.byte(0x0e);
    this.out.u32(labels.length);
    for (const label of labels) this.out.u32(this.#distance(label));
    this.out.u32(this.#distance(otherwise));
  }

  /** Branches over `cases` by an index in [0, cases.length); any other runs `otherwise`. */
  switch(index: I32, cases: readonly (() => void)[], otherwise: () => void): void {
    const done = this.begin(0x02);
    const fallback = this.begin(0x02);
    const labels = cases.map(() => this.begin(0x02)).reverse();
    this.brTable(labels, fallback, index);
    cases.forEach((body, i) => {
      this.end(labels[i]!);
      body();
      this.br(done);
    });
    this.end(fallback);
    otherwise();
    this.end(done);
  }

  return(value?: Expr): void {
    if (value) writeExpr(this.out, value);
    this.out.byte(0x0f);
  }

  unreachable(): void {
    this.out.byte(0x00);
  }

  /** The code entry as the binary format has it: declarations of locals, body, end. */
  finish(): Bytes {
    if (this.#depth !== 0) throw new Error('a block is still open at the end of the function');
    const entry = new Bytes(this.out.length + 16);
    let groups = 0;
    for (let i = 0; i < this.#locals.length; i++) if (i === 0 || this.#locals[i] !== this.#locals[i - 1]) groups++;
    entry.u32(groups);
    for (let i = 0; i < this.#locals.length; ) {
      let end = i;
      while (end < this.#locals.length && this.#locals[end] === this.#locals[i]) end++;
      entry.u32(end - i);
      entry.byte(TYPE_CODE[this.#locals[i]!]);
      i = end;
    }
    entry.append(this.out.view());
    entry.byte(0x0b);
    return entry;
  }
}
