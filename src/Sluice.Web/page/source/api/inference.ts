import { reasonOf, send } from './client';

// The v2 protocol's metadata and requests, and calls of endpoints.

export interface TensorMetadata {
  name: string;
  datatype: string;
  shape: number[];
}

export interface ModelMetadata {
  name: string;
  platform: string;
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
}

/** What came back, and how long it took. */
export interface Reply {
  status: number;
  text: string;
  /** From the click to the last byte, as the browser measured it. */
  totalMs: number;
  /** Stages that the server measured, milliseconds by name. */
  stages: [name: string, ms: number][];
}

const modelPath = (name: string) => `/v2/models/${encodeURIComponent(name)}`;

export const inferPath = (name: string) => `${modelPath(name)}/infer`;

/** Reads what a model takes and gives; null when the name is not that of a model. */
export async function describe(name: string, signal: AbortSignal): Promise<ModelMetadata | null> {
  const response = await send(modelPath(name), { signal });
  if (response.status === 404 || response.status === 400) return null;
  const text = await response.text();
  if (!response.ok) throw new Error(reasonOf(text));
  const metadata = JSON.parse(text) as ModelMetadata;
  return { ...metadata, inputs: metadata.inputs.map(readShape), outputs: metadata.outputs.map(readShape) };
}

const readShape = (tensor: TensorMetadata) => ({ ...tensor, shape: tensor.shape.map(Number) });

/** Sends one request and measures it. */
export async function tryOut(path: string, body: string): Promise<Reply> {
  const began = performance.now();
  const response = await send(path, { body, headers: { 'sluice-timing': '1' } });
  const text = await response.text();
  const totalMs = performance.now() - began;
  const stages = (response.headers.get('sluice-timing') ?? '').split(',').filter(Boolean).map((part): [string, number] => {
    const [name = '', nanoseconds] = part.trim().split('=');
    return [name, Number(nanoseconds) / 1e6];
  });
  return { status: response.status, text, totalMs, stages };
}

/** Values for a tensor of a shape, nested as JSON has them. */
export function fill(datatype: string, shape: number[], next: () => number): unknown {
  if (shape.length === 0) return valueOf(datatype, next());
  const [size = 0, ...rest] = shape;
  return Array.from({ length: size }, () => fill(datatype, rest, next));
}

function valueOf(datatype: string, random: number): unknown {
  if (datatype === 'BYTES') return random === 0 ? '' : `text ${Math.floor(random * 100)}`;
  if (datatype === 'BOOL') return random >= 0.5;
  return datatype.startsWith('FP') || datatype === 'BF16' ? Math.round(random * 1000) / 1000 : Math.floor(random * 10);
}
