// Resource classes and traits: the words that providers and flavors use.

import { CumuletError } from '#base';
import { RESOURCE_CLASSES, RESOURCE_PROVIDER } from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { checkKeys } from './providers.ts';
import { ok } from './reply.ts';

const classView = (name: string) => ({
  name,
  links: [{ rel: 'self', href: `/placement/resource_classes/${name}` }],
});

/** Those that some provider has. */
async function traits(context: RequestContext<unknown, unknown>): Promise<string[]> {
  const found = await context.records.list(RESOURCE_PROVIDER);
  return [...new Set(found.flatMap(({ value }) => value.traits))].sort();
}

/** `startswith:HW_`, `in:A,B`. */
function traitFilter(text: string): (trait: string) => boolean {
  if (text.startsWith('startswith:')) return (trait) => trait.startsWith(text.slice('startswith:'.length));
  if (text.startsWith('in:')) return (trait) => text.slice('in:'.length).split(',').includes(trait);
  throw new CumuletError(
    'invalid',
    'Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix].',
  );
}

export const VOCABULARY_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/resource_classes',
    rule: 'placement:resource_classes:list',
    microversions: ['1.2'],
    handler: async (context) => ok(context, { resource_classes: RESOURCE_CLASSES.map(classView) }, context.clock.now()),
  }),
  route({
    method: 'GET',
    path: '/resource_classes/:name',
    rule: 'placement:resource_classes:show',
    microversions: ['1.2'],
    async handler(context) {
      const name = context.param('name');
      if (!(RESOURCE_CLASSES as readonly string[]).includes(name)) {
        throw new CumuletError('not_found', `No such resource class ${name}.`);
      }
      return ok(context, classView(name), context.clock.now());
    },
  }),
  route({
    method: 'GET',
    path: '/traits',
    rule: 'placement:traits:list',
    microversions: ['1.6'],
    async handler(context) {
      checkKeys(context, { name: 6, associated: 6 });
      const name = context.search.get('name');
      const associated = context.search.get('associated')?.toLowerCase();
      if (associated !== undefined && associated !== 'true' && associated !== 'false') {
        throw new CumuletError(
          'invalid',
          `The query parameter "associated" only accepts "true" or "false", got ${associated}`,
        );
      }
      // Every trait that is known here belongs to a provider.
      const known = associated === 'false' ? [] : await traits(context);
      const found = name === null ? known : known.filter(traitFilter(name));
      return ok(context, { traits: found }, context.clock.now());
    },
  }),
  route({
    method: 'GET',
    path: '/traits/:name',
    rule: 'placement:traits:show',
    microversions: ['1.6'],
    async handler(context) {
      const name = context.param('name');
      if (!(await traits(context)).includes(name)) throw new CumuletError('not_found', `No such trait(s): ${name}.`);
      return { status: 204 };
    },
  }),
];
