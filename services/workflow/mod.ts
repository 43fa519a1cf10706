// Public face of workflow.
export * from './saga.ts';
