// A WebAssembly module: imports first, then globals and functions, then its bytes (core spec 5.5). Functions are declared
// before they are defined, so that they may call each other in any order.

import { Bytes } from './bytes.ts';
import { Code, FunctionRef, Global, Local, TableRef } from './code.ts';
import { MemoryRef, TYPE_CODE, type ValueType } from './expr.ts';

type Locals<P extends readonly ValueType[]> = { [I in keyof P]: Local<P[I]> };

export class ModuleBuilder {
  readonly #types = new Map<string, number>();
  readonly #typeBytes = new Bytes();
  readonly #imports: ((out: Bytes) => void)[] = [];
  readonly #exports: ((out: Bytes) => void)[] = [];
  readonly #globals: ((out: Bytes) => void)[] = [];
  readonly #tables: (readonly FunctionRef[])[] = [];
  readonly #functions: { type: number; body: (() => Code) | undefined; name: string }[] = [];
  #importedFunctions = 0;
  #importedMemories = 0;
  #importedTables = 0;
  #importedGlobals = 0;

  #type(params: readonly ValueType[], result: ValueType | undefined): number {
    const key = `${params.join()}:${result ?? ''}`;
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    const index = this.#types.size;
    this.#types.set(key, index);
    this.#typeBytes.byte(0x60);
    this.#typeBytes.u32(params.length);
    for (const param of params) this.#typeBytes.byte(TYPE_CODE[param]);
    this.#typeBytes.u32(result ? 1 : 0);
    if (result) this.#typeBytes.byte(TYPE_CODE[result]);
    return index;
  }

  /** A shared memory; its limits must admit the one that is given. */
  importMemory(module: string, name: string, maximumPages: number): MemoryRef {
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(0x02);
      out.byte(0x03);
      out.u32(0);
      out.u32(maximumPages);
    });
    return new MemoryRef(this.#importedMemories++);
  }

  importFunction<R extends ValueType | undefined>(
    module: string,
    name: string,
    params: readonly ValueType[],
    result: R,
  ): FunctionRef<R> {
    if (this.#functions.length > 0) throw new Error('imports come before functions');
    const type = this.#type(params, result);
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(0x00);
      out.u32(type);
    });
    return new FunctionRef(this.#importedFunctions++, params, result);
  }

  /** A table of functions of one type; its owner fills it, and may empty it again. */
  importTable<R extends ValueType>(module: string, name: string, params: readonly ValueType[], result: R): TableRef<R> {
    const type = this.#type(params, result);
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(0x01);
      out.byte(0x70);
      out.byte(0x00);
      out.u32(0);
    });
    return new TableRef(this.#importedTables++, type, result);
  }

  /** A mutable global of another module. */
  importGlobal<T extends 'i32' | 'i64'>(module: string, name: string, type: T): Global<T> {
    if (this.#globals.length > 0) throw new Error('imports come before globals');
    this.#imports.push((out) => {
      out.name(module);
      out.name(name);
      out.byte(0x03);
      out.byte(TYPE_CODE[type]);
      out.byte(0x01);
    });
    return new Global(type, this.#importedGlobals++);
  }

  /** A mutable global of this module, 0 at first. */
  global<T extends 'i32' | 'i64'>(type: T): Global<T> {
    this.#globals.push((out) => {
      out.byte(TYPE_CODE[type]);
      out.byte(0x01);
      out.byte(type === 'i32' ? 0x41 : 0x42);
      out.byte(0);
      out.byte(0x0b);
    });
    return new Global(type, this.#importedGlobals + this.#globals.length - 1);
  }

  declare<R extends ValueType | undefined>(name: string, params: readonly ValueType[], result: R): FunctionRef<R> {
    this.#functions.push({ type: this.#type(params, result), body: undefined, name });
    return new FunctionRef(this.#importedFunctions + this.#functions.length - 1, params, result);
  }

  /** The body is written when the module's bytes are made: by then every function is declared. */
  define<const P extends readonly ValueType[]>(
    ref: FunctionRef,
    params: P,
    body: (code: Code, ...params: Locals<P>) => void,
  ): void {
    this.#functions[ref.index - this.#importedFunctions]!.body = () => {
      const code = new Code(params.length);
      body(code, ...(params.map((type, index) => new Local(type, index)) as unknown as Locals<P>));
      return code;
    };
  }

  /** Declares and defines in one go. */
  function<R extends ValueType | undefined, const P extends readonly ValueType[]>(
    name: string,
    params: P,
    result: R,
    body: (code: Code, ...params: Locals<P>) => void,
  ): FunctionRef<R> {
    const ref = this.declare(name, params, result);
    this.define(ref, params, body);
    return ref;
  }

  /** A table that holds these functions, all of one type, for good. */
  table(functions: readonly FunctionRef[]): TableRef {
    const [first] = functions;
    if (!first) throw new Error('a table of functions needs a function');
    this.#tables.push(functions);
    const index = this.#importedTables + this.#tables.length - 1;
    return new TableRef(index, this.#type(first.params, first.result), first.result ?? 'i32');
  }

  exportGlobal(name: string, global: Global): void {
    this.#exports.push((out) => {
      out.name(name);
      out.byte(0x03);
      out.u32(global.index);
    });
  }

  export(name: string, ref: FunctionRef): void {
    this.#exports.push((out) => {
      out.name(name);
      out.byte(0x00);
      out.u32(ref.index);
    });
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const out = new Bytes(64 * 1024);
    out.append(new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]));
    const section = (id: number, write: (body: Bytes) => void): void => {
      const body = new Bytes(4096);
      write(body);
      out.byte(id);
      out.u32(body.length);
      out.append(body.view());
    };
    const vector = (id: number, entries: readonly ((body: Bytes) => void)[]): void => {
      if (entries.length === 0) return;
      section(id, (body) => {
        body.u32(entries.length);
        for (const entry of entries) entry(body);
      });
    };
    section(1, (body) => {
      body.u32(this.#types.size);
      body.append(this.#typeBytes.view());
    });
    vector(2, this.#imports);
    vector(
      3,
      this.#functions.map((f) => (body: Bytes) => body.u32(f.type)),
    );
    vector(
      4,
      this.#tables.map((functions) => (body: Bytes) => {
        body.byte(0x70);
        body.byte(0x01);
        body.u32(functions.length);
        body.u32(functions.length);
      }),
    );
    vector(6, this.#globals);
    vector(7, this.#exports);
    vector(
      9,
      this.#tables.map((functions, table) => (body: Bytes) => {
        // Active, of table `table`, from index 0, function indices.
        body.byte(0x02);
        body.u32(this.#importedTables + table);
        body.byte(0x41);
        body.byte(0);
        body.byte(0x0b);
        body.byte(0x00);
        body.u32(functions.length);
        for (const ref of functions) body.u32(ref.index);
      }),
    );
    vector(
      10,
      this.#functions.map((f) => (body: Bytes) => {
        if (!f.body) throw new Error(`function ${f.name} was declared and never defined`);
        const entry = f.body().finish();
        body.u32(entry.length);
        body.append(entry.view());
      }),
    );
    // Names of functions, for profilers and stack traces (core spec, appendix 7.4).
    section(0, (body) => {
      body.name('name');
      const names = new Bytes(1024);
      names.u32(this.#functions.length);
      this.#functions.forEach((f, i) => {
        names.u32(this.#importedFunctions + i);
        names.name(f.name);
      });
      body.byte(1);
      body.u32(names.length);
      body.append(names.view());
    });
    return out.view();
  }
}
