import { expect, it } from 'vitest';
import { stuckReason } from './stuck.ts';

it('names the handler and what it raises, as the mode that it runs in has them', () => {
  const csrs = { scause: '0x1', mcause: '0x2' };
  expect(stuckReason({ pc: '0x0', privilege: 1, csrs })).toMatch(/handler at 0x0 raises an instruction access fault/);
  expect(stuckReason({ pc: '0x80000000', privilege: 3, csrs })).toMatch(/at 0x80000000 raises an illegal instruction/);
  expect(stuckReason({ pc: '0x0', privilege: 1, csrs: { scause: '0x18' } })).toMatch(/exception 24/);
});
