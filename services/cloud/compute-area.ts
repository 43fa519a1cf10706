// temporary
import {
  type Area,
  Microversion,
  NOVA,
  SERVER_GROUP_ROUTES,
  SERVER_GROUP_RULES,
  SERVER_RULES,
  type Servers,
} from '#api';

export const computeArea = (servers: Servers): Area => ({
  name: 'compute',
  dialect: NOVA,
  prefix: '/compute',
  root: '/v2.1',
  routes: [...servers.routes, ...SERVER_GROUP_ROUTES],
  rules: { ...SERVER_RULES, ...SERVER_GROUP_RULES },
  sockets: servers.sockets,
  microversions: {
    service: 'compute',
    min: Microversion.parse('2.1'),
    max: Microversion.parse('2.79'),
    legacyHeader: 'X-OpenStack-Nova-API-Version',
  },
  catalog: [{ type: 'compute', name: 'nova', path: '/compute/v2.1' }],
});
