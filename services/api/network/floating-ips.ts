// /floatingips. The dataplane does not carry floating IPs yet: an address that nobody answers to would be worse than a
// refusal, so there are none, and making one says why.
import { z } from 'zod';
import { networkError } from '#model';
import { HttpFault } from '../http/faults.ts';
import { type Route, route } from '../http/route.ts';

const WHY =
  'Floating IPs are not available in this version: nothing would answer at the address. Reach guests by their console (openstack console log show, cloudctl console attach).';

export const FLOATING_IP_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/floatingips',
    rule: 'get_floatingip',
    handler: async () => ({ status: 200, body: { floatingips: [] } }),
  }),
  route({
    method: 'POST',
    path: '/floatingips',
    rule: 'create_floatingip',
    body: z.unknown(),
    handler: async () => {
      throw new HttpFault(501, WHY, { type: 'HTTPNotImplemented' });
    },
  }),
  ...(['GET', 'PUT', 'DELETE'] as const).map((method) =>
    route({
      method,
      path: '/floatingips/:id',
      rule: `${method === 'GET' ? 'get' : method === 'PUT' ? 'update' : 'delete'}_floatingip`,
      body: method === 'PUT' ? z.unknown() : undefined,
      handler: async (context) => {
        const id = context.param('id');
        throw networkError('not_found', 'FloatingIPNotFound', `Floating IP ${id} could not be found`);
      },
    }),
  ),
];
