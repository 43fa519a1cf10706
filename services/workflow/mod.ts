// Public face of workflow.
export { type Reconciler, type ReconcilerOptions, reconcile } from './reconciler.ts';
export * from './saga.ts';
export { SAGA_CLAIM, type SagaClaim } from './saga-claims.ts';
export { createSagaRunner, type SagaRunnerComponents, type SagaRunnerOptions } from './saga-runner.ts';
