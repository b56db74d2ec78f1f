import { access } from '../state/access';

/** A call that the server refused, with its words. */
export class ApiError extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

/** How a call is made. */
export interface CallOptions {
  method?: string;
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** Sends a call with the user's credentials, whatever its answer's status. */
export async function send(path: string, { method, body, signal, headers }: CallOptions = {}): Promise<Response> {
  const { token } = access.get();
  try {
    return await fetch(path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
      cache: 'no-store',
      credentials: 'omit',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('the server does not answer', 0);
  }
}

/** Sends a call and reads its JSON; a status other than 2xx is thrown. */
export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await send(path, options);
  const text = await response.text();
  if (response.ok) return (text ? JSON.parse(text, readNumbers) : {}) as T;
  if (response.status === 401) access.set({ isRefused: true });
  throw new ApiError(reasonOf(text) || `${response.status} ${response.statusText}`, response.status);
}

/** Writes a query; empty values are left out. */
export function queryOf(values: Record<string, string | number | boolean | readonly string[]>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) value.forEach(one => query.append(name, one as string));
    else if (value !== '' && value !== false) query.set(name, String(value));
  }
  const text = query.toString();
  return text && '?' + text;
}

/** The text of an error in any of the shapes that the port's interfaces have. */
export function reasonOf(text: string): string {
  try {
    const error = JSON.parse(text) as { message?: string; detail?: unknown; error?: string };
    const said = error.message ?? error.error ?? error.detail;
    return said === undefined ? '' : typeof said === 'string' ? said : JSON.stringify(said);
  } catch {
    return text.slice(0, 2000);
  }
}

// 64-bit whole numbers are text in protobuf's JSON; none that is shown here is beyond 2^53.
function readNumbers(key: string, value: unknown): unknown {
  return typeof value === 'string' && /(Ms|Count|Bytes|Order|Limit|revision|Revision)$/.test(key) && /^-?\d+$/.test(value)
    ? Number(value)
    : value;
}
