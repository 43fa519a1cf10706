import type { Runtime } from '../hart/runtime.ts';
export function defineSoftFloat(_rt: Runtime): void {}
