import { describe } from 'vitest';
import { silentLog } from '#base';
import { busCompliance } from '#test/compliance/bus.ts';
import { createInProcessBus } from './inprocess-bus.ts';

describe('the in-process bus', () => {
  busCompliance({
    open: async () => {
      const bus = createInProcessBus({ log: silentLog });
      return { here: bus, there: bus };
    },
  });
});
