// The placement area: reads of what hosts have and who holds it. Claims are the scheduler's; nobody writes through here.

import { PLACEMENT } from '../http/dialects.ts';
import type { Area } from '../http/route.ts';
import { CANDIDATE_ROUTES } from './candidates.ts';
import { PROVIDER_ROUTES } from './providers.ts';
import { PLACEMENT_RULES } from './rules.ts';
import { PLACEMENT_DOCUMENTS, PLACEMENT_VERSIONS } from './versions.ts';
import { VOCABULARY_ROUTES } from './vocabulary.ts';

export const placementArea = (): Area => ({
  name: 'placement',
  dialect: PLACEMENT,
  prefix: '/placement',
  root: '',
  documents: PLACEMENT_DOCUMENTS,
  routes: [...PROVIDER_ROUTES, ...CANDIDATE_ROUTES, ...VOCABULARY_ROUTES],
  rules: PLACEMENT_RULES,
  microversions: PLACEMENT_VERSIONS,
  catalog: [{ type: 'placement', name: 'placement', path: '/placement' }],
});
