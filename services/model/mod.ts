// Public face of model: domain types, state tables, quota and capacity arithmetic. Pure.
export * from './kind.ts';
