// POST /auth/tokens: who are you (the methods), and for what (the scope). Every refusal of credentials has the same words,
// so that nobody learns which users exist.

import { z } from 'zod';
import { CumuletError } from '#base';
import {
  APPLICATION_CREDENTIAL,
  type ApplicationCredential,
  DOMAIN,
  PROJECT,
  type Project,
  USER,
  type User,
} from '#model';
import type { Records } from '#store';
import { HttpFault } from '../http/faults.ts';
import { checkPassword } from './passwords.ts';
import type { TokenPayload } from './token-codec.ts';
import type { TokenService } from './tokens.ts';

const named = z.object({ id: z.string().optional(), name: z.string().optional() });
const domainRef = named.optional();
const userRef = named.extend({ domain: domainRef, password: z.string() });

const scopeSchema = z.union([
  z.literal('unscoped'),
  z.object({
    project: named.extend({ domain: domainRef }).optional(),
    domain: named.optional(),
    system: z.object({ all: z.boolean().optional() }).optional(),
    unscoped: z.object({}).optional(),
    'OS-TRUST:trust': z.unknown().optional(),
  }),
]);

export const authSchema = z.object({
  auth: z.object({
    identity: z.object({
      methods: z.array(z.string()).min(1),
      password: z.object({ user: userRef }).optional(),
      token: z.object({ id: z.string() }).optional(),
      application_credential: z
        .object({
          id: z.string().optional(),
          name: z.string().optional(),
          secret: z.string(),
          user: named.extend({ domain: domainRef }).optional(),
        })
        .optional(),
    }),
    scope: scopeSchema.optional(),
  }),
});

export type AuthRequest = z.output<typeof authSchema>['auth'];
type Ref = z.output<typeof named>;

interface Authenticated {
  readonly user: User;
  readonly parent?: TokenPayload;
  readonly credential?: ApplicationCredential;
}

type ScopePart = Pick<TokenPayload, 'projectId' | 'domainId' | 'system' | 'applicationCredentialId'>;

const refused = (): CumuletError =>
  new CumuletError('unauthenticated', 'The request you have made requires authentication.');

export class Authenticator {
  readonly #records: Records;
  readonly #tokens: TokenService;

  constructor(records: Records, tokens: TokenService) {
    this.#records = records;
    this.#tokens = tokens;
  }

  /** A new token and what it stands for. Throws 'unauthenticated'. */
  async authenticate(request: AuthRequest): Promise<{ token: string; payload: TokenPayload }> {
    const who = await this.#identify(request);
    const scope = this.#scope(request, who);
    const methods = [...request.identity.methods, ...(who.parent?.methods ?? [])];
    const issued = this.#tokens.issue(who.user.id, methods, scope, who.parent);
    if (this.#tokens.viewOf(issued.payload) === undefined) throw refused();
    return issued;
  }

  async #identify({ identity }: AuthRequest): Promise<Authenticated> {
    let found: Authenticated | undefined;
    for (const method of identity.methods) {
      const next = await this.#method(method, identity);
      if (found !== undefined && found.user.id !== next.user.id) throw refused();
      found = { ...found, ...next };
    }
    return found!;
  }

  async #method(method: string, identity: AuthRequest['identity']): Promise<Authenticated> {
    switch (method) {
      case 'password':
        return this.#byPassword(required(identity.password, 'password').user);
      case 'token':
        return this.#byToken(required(identity.token, 'token').id);
      case 'application_credential':
        return this.#byCredential(required(identity.application_credential, 'application_credential'));
      default:
        throw new HttpFault(401, `Attempted to authenticate with an unsupported method: ${method}.`);
    }
  }

  async #byPassword(given: z.output<typeof userRef>): Promise<Authenticated> {
    const user = this.#user(given, given.domain);
    const right = await checkPassword(given.password, user?.passwordHash);
    if (!right || user === undefined || !user.enabled) throw refused();
    return { user };
  }

  #byToken(token: string): Authenticated {
    const view = this.#tokens.view(token);
    if (view === undefined) throw new CumuletError('not_found', 'The token could not be found or is no longer valid.');
    if (view.payload.applicationCredentialId !== undefined) {
      throw new CumuletError('forbidden', 'A token of an application credential cannot be exchanged for another.');
    }
    return { user: view.user, parent: view.payload };
  }

  async #byCredential(given: NonNullable<AuthRequest['identity']['application_credential']>): Promise<Authenticated> {
    const credential =
      given.id === undefined
        ? this.#credentialByName(given.name, given.user)
        : this.#records.peek(APPLICATION_CREDENTIAL, given.id)?.value;
    const right = await checkPassword(given.secret, credential?.secretHash);
    const user = credential && this.#records.peek(USER, credential.userId)?.value;
    if (!right || credential === undefined || user === undefined || !user.enabled) throw refused();
    return { user, credential };
  }

  #credentialByName(
    name: string | undefined,
    ref: (Ref & { domain?: Ref | undefined }) | undefined,
  ): ApplicationCredential | undefined {
    const user = ref && this.#user(ref, ref.domain);
    if (user === undefined || name === undefined) return undefined;
    return this.#records.peekList(APPLICATION_CREDENTIAL, (each) => each.userId === user.id && each.name === name)[0]
      ?.value;
  }

  #user(ref: Ref, domain: Ref | undefined): User | undefined {
    if (ref.id !== undefined) return this.#records.peek(USER, ref.id)?.value;
    if (ref.name === undefined)
      throw new CumuletError('invalid', 'Expecting to find a user by id, or by name and domain.');
    const domainId = this.#domainId(domain, 'user');
    return this.#records.peekList(USER, (each) => each.name === ref.name && each.domainId === domainId)[0]?.value;
  }

  #domainId(ref: Ref | undefined, of: string): string | undefined {
    if (ref?.id !== undefined) return ref.id;
    if (ref?.name === undefined) {
      throw new CumuletError('invalid', `Expecting to find domain in ${of}: a name is unique in its domain alone.`);
    }
    return this.#records.peekList(DOMAIN, (domain) => domain.name === ref.name)[0]?.value.id;
  }

  #scope(request: AuthRequest, who: Authenticated): ScopePart {
    if (who.credential !== undefined) {
      return { projectId: who.credential.projectId, applicationCredentialId: who.credential.id };
    }
    const { scope } = request;
    if (scope === 'unscoped' || (scope !== undefined && scope.unscoped !== undefined)) return {};
    if (scope === undefined) return this.#defaultScope(who);
    if (scope['OS-TRUST:trust'] !== undefined) {
      throw new CumuletError('invalid', 'Trusts are not served by this cloud; use an application credential.');
    }
    if (scope.system !== undefined) return { system: true };
    if (scope.project !== undefined) return { projectId: this.#project(scope.project, scope.project.domain).id };
    if (scope.domain !== undefined) {
      const id = this.#domainId(scope.domain, 'scope');
      if (id === undefined) throw refused();
      return { domainId: id };
    }
    throw new CumuletError('invalid', 'Expecting to find project, domain or system in scope.');
  }

  /** Without a scope in the request: the user's default project when it has a role there, else unscoped. */
  #defaultScope({ user, parent }: Authenticated): ScopePart {
    const id = user.defaultProjectId;
    if (parent !== undefined || id === null) return {};
    const project = this.#records.peek(PROJECT, id)?.value;
    const usable = project?.enabled && this.#tokens.grants.roles(user.id, { type: 'project', id }).length > 0;
    return usable ? { projectId: id } : {};
  }

  #project(ref: Ref, domain: Ref | undefined): Project {
    const found =
      ref.id === undefined
        ? this.#records.peekList(PROJECT, (project) => {
            return project.name === ref.name && project.domainId === this.#domainId(domain, 'project');
          })[0]
        : this.#records.peek(PROJECT, ref.id);
    if (found === undefined) throw refused();
    return found.value;
  }
}

function required<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new CumuletError('invalid', `Expecting to find ${name} in identity.`);
}
