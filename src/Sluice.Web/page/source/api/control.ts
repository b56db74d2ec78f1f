import { call, queryOf } from './client';

// The messages of protos/control/v1 that the page shows or sends, as JSON has them.

export interface Canary {
  endpoint: string;
  weights: number[];
  loadEndpoints: string[];
  loadEndpointPrefix?: string;
  stickyHeader?: string;
  stickyKey?: string;
}

export interface EndpointRecord {
  engineType: string;
  servingUrl: string;
  version: string;
  modelId?: string;
  inputSize?: unknown[];
  inputType?: string[];
  inputName?: string[];
}

export interface RegisteredModel {
  id: string;
  name: string;
  project: string;
  tags: string[];
  framework: string;
  published: boolean;
  archived: boolean;
  createdAt: string;
  createdOrder: number;
  fileName: string;
  sizeBytes: number;
  sha256: string;
  comment: string;
}

export interface AssignedVersion {
  baseServingUrl: string;
  version: string;
  modelId: string;
  isLive: boolean;
}

export interface AuditEntry {
  id: string;
  at: string;
  actor: string;
  action: string;
  serviceId: string;
  target: string;
  revision: number;
  before: unknown;
  after: unknown;
}

export interface Service {
  id: string;
  name: string;
  project: string;
  isServedHere: boolean;
}

export interface EditResponse {
  revision: number;
  warnings: string[];
}

export interface DesiredState {
  service: Service;
  revision: number;
  endpoints: EndpointRecord[];
  canaries: Canary[];
  assignedVersions: AssignedVersion[];
}

/** A model of the repository, by the v2 protocol. */
export interface RepositoryModel {
  name: string;
  version?: string;
  state?: string;
  reason?: string;
}

const service = (id: string) => `/v1/services/${encodeURIComponent(id || '-')}`;

const segments = (key: string) => key.split('/').map(encodeURIComponent).join('/');

export const listServices = (signal: AbortSignal) => call<{ services: Service[] }>('/v1/services', { signal }).then(({ services }) => services);

export const getState = (serviceId: string, signal?: AbortSignal) =>
  call<DesiredState>(`${service(serviceId)}/state`, signal ? { signal } : {});

export const getCanary = (serviceId: string, name: string) => call<Canary>(`${service(serviceId)}/canaries/${segments(name)}`);

export const putCanary = (serviceId: string, canary: Canary, revision: number) =>
  call<EditResponse>(`${service(serviceId)}/canaries${queryOf({ expected_revision: revision })}`, { body: canary });

export const putEndpoint = (serviceId: string, endpoint: EndpointRecord) =>
  call<EditResponse>(`${service(serviceId)}/endpoints`, { body: endpoint });

export const deleteEndpoint = (serviceId: string, key: string) =>
  call<EditResponse>(`${service(serviceId)}/endpoints/${segments(key)}`, { method: 'DELETE' });

export const listModels = (includesArchived: boolean, signal: AbortSignal) =>
  call<{ models: RegisteredModel[] }>(`/v1/models${queryOf({ include_archived: includesArchived, page_size: 10000 })}`, { signal })
    .then(({ models }) => models);

export const publishModel = (id: string) => call<RegisteredModel>(`/v1/models/${encodeURIComponent(id)}:publish`, { body: {} });

export const archiveModel = (id: string, restores: boolean) =>
  call<RegisteredModel>(`/v1/models/${encodeURIComponent(id)}:archive`, { body: { restore: restores } });

export const changeTags = (id: string, addTags: string[], removeTags: string[]) =>
  call<RegisteredModel>(`/v1/models/${encodeURIComponent(id)}`, { method: 'PATCH', body: { addTags, removeTags } });

export const listAudit = (beforeId: string, signal: AbortSignal) =>
  call<{ entries: AuditEntry[] }>(`/v1/audit${queryOf({ page_size: 100, before_id: beforeId })}`, { signal }).then(({ entries }) => entries);

export const listRepository = (signal: AbortSignal) => call<RepositoryModel[]>('/v2/repository/index', { body: {}, signal });

export const loadModel = (name: string) => call(`/v2/repository/models/${encodeURIComponent(name)}/load`, { body: {} });

export const unloadModel = (name: string) => call(`/v2/repository/models/${encodeURIComponent(name)}/unload`, { body: {} });
