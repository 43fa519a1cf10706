// One identity's view of one cloud: a session and a client for each service.

import type { CloudConfig } from './cloud-config.ts';
import { ComputeClient } from './compute.ts';
import { createTransport } from './http.ts';
import { IdentityClient } from './identity.ts';
import { ImageClient } from './image.ts';
import { NetworkClient } from './network.ts';
import { PlacementClient } from './placement.ts';
import { Session, type SessionParts } from './session.ts';

export interface CloudClient {
  readonly session: Session;
  readonly identity: IdentityClient;
  readonly compute: ComputeClient;
  readonly image: ImageClient;
  readonly network: NetworkClient;
  readonly placement: PlacementClient;
  /** Closes idle connections. */
  close(): void;
}

export function connect(config: CloudConfig, parts: Partial<Omit<SessionParts, 'config'>> = {}): CloudClient {
  const transport = parts.transport ? { send: parts.transport, close: () => undefined } : createTransport(config);
  const session = new Session({ ...parts, config, transport: transport.send });
  return {
    session,
    identity: new IdentityClient(session),
    compute: new ComputeClient(session),
    image: new ImageClient(session),
    network: new NetworkClient(session),
    placement: new PlacementClient(session),
    close: transport.close,
  };
}

/** A cloud's configuration from plain values: what tests and scripts want. */
export function passwordConfig(authUrl: string, username: string, password: string, project: string): CloudConfig {
  return {
    name: 'inline',
    authType: 'password',
    auth: {
      auth_url: authUrl,
      username,
      password,
      project_name: project,
      user_domain_id: 'default',
      project_domain_id: 'default',
    },
    interface: 'public',
    verify: true,
    endpointOverrides: {},
    apiVersions: {},
  };
}
