// Public face of store.
export {
  type EmbeddedStore,
  type EmbeddedStoreOptions,
  memoryStore,
  openEmbeddedStore,
} from './embedded/embedded-store.ts';
export { connectEtcdStore, type EtcdStoreOptions } from './etcd/connect.ts';
export * from './records.ts';
export { createRecords, type RecordsOptions } from './records-store.ts';
export * from './store.ts';
