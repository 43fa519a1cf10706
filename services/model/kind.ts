// A kind of record: how its key and its unique keys are made. Every domain type declares its Kind beside it, so that
// the store's records (services/store/records.ts) can keep them without knowing any of them.

export interface Kind<T> {
  /** Singular, kebab-case; the record's key is /v1/<name>/<id>. */
  readonly name: string;
  id(value: T): string;
  /**
   * What no two records of the kind may share, as `<field>/<scope>/<value>`; each becomes the key
   * /v1/unique/<kind>/<field>/<scope>/<value> in the same transaction as the record.
   */
  unique?(value: T): readonly string[];
}
