// The page with an API that tests fill: the files of artifacts/web/dist, and the calls of protos/metrics/v1 and protos/control/v1
// as far as the page makes them. What it is for is what a real server cannot show in a test: a thousand endpoints, two hundred
// instances, faults at will.
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

const dist = join(import.meta.dirname, '../../artifacts/web/dist');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

/** A row with what its message has in JSON: 64-bit numbers are text. */
export function endpoint(number, change = {}) {
  const name = change.name ?? `model_${number}/1`;
  return {
    id: `00000000-0000-5000-8000-${String(number).padStart(12, '0')}`, name, url: `/serve/${name}`, kind: 'STATIC', serviceId: 's1', engine: 'triton',
    modelName: `net ${number % 7}`, modelId: `m${number % 7}`, modelVersion: '1', modelSource: '', preprocessArtifact: '', inputType: 'float32',
    inputSize: '[1, 28, 28]', tags: number % 2 ? ['odd'] : [], state: 'READY', reason: '', instanceCount: 1, uptimeMs: String(60_000 * (number + 1)),
    requestCount: String(1000 * number), failureCount: '0', requestsPerMinute: number * 1.5, latencyMs: 1 + number / 10, p50Ms: 1, p90Ms: 2, p99Ms: 4,
    errorRate: 0, updatedAtMs: String(Date.now()), arms: [], ...change,
  };
}

export function instance(number, change = {}) {
  return {
    id: `replica-${number}`, endpoint: 'model_1/1', url: '/serve/model_1/1', modelName: 'net 1', modelSource: '', modelVersion: '1',
    preprocessArtifact: '', inputType: 'float32', inputSize: '[1, 28, 28]', state: 'READY', reason: '', progress: 1, uptimeMs: '600000', ageMs: '600000',
    updatedAtMs: String(Date.now()), requestCount: '1000', failureCount: '1', requestsPerMinute: 12, latencyMs: 1.5, cpuCount: 4, gpuCount: 0,
    references: [], ...change,
  };
}

/** Starts it; tests change its fields. */
export async function startFake(port = 0) {
  const fake = {
    endpoints: [], loading: [], instances: [], asks: false, log: { replica: 'replica-1', reason: '', lines: [] }, requests: [], seriesOffset: 0,
    canary: {}, models: [], audit: [], repository: [], points: undefined,
  };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', piece => (body += piece));
    request.on('end', () => answer(fake, request, body, response));
  });
  await new Promise(resolve => server.listen(port, '127.0.0.1', resolve));
  fake.port = server.address().port;
  fake.address = `http://127.0.0.1:${fake.port}`;
  fake.stop = () => new Promise(resolve => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return fake;
}

function answer(fake, request, body, response) {
  const { pathname: path, searchParams: query } = new URL(request.url, 'http://localhost');
  fake.requests.push({ method: request.method, path, query: Object.fromEntries(query), body, authorization: request.headers.authorization ?? '' });
  const json = (value, status = 200) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  if (path === '/page.json') return json({ version: '1.0', asks_for_credentials: fake.asks, serve_path: '/serve', has_models: true });
  if (/^\/(v1|v2|serve)\//.test(path)) {
    if (fake.asks && request.headers.authorization !== 'Bearer secret') return json({ message: 'credentials are missing' }, 401);
    const found = routes(fake, request.method, path, query, body);
    return found ? json(found.value ?? found, found.status) : json({ code: 5, status: 'NOT_FOUND', message: 'Not Found' }, 404);
  }

  const file = join(dist, path.startsWith('/assets/') || path === '/favicon.svg' ? path : 'index.html');
  if (!existsSync(file)) return json({ detail: 'Not Found' }, 404);
  response.writeHead(200, { 'content-type': types[extname(file)], 'content-security-policy': policy });
  return response.end(readFileSync(file));
}

function routes(fake, method, path, query, body) {
  const last = decodeURIComponent(path.split('/').at(-1));
  if (path === '/v1/metrics/endpoints') return { endpoints: fake.endpoints, loading: fake.loading, timeMs: String(Date.now()) };
  if (path.startsWith('/v1/metrics/endpoints/')) {
    const endpoint = fake.endpoints.find(({ id }) => id === last);
    return endpoint && { endpoint, instances: fake.instances };
  }

  if (path === '/v1/metrics/log') return fake.log;
  if (path === '/v1/metrics/series') return series(fake, query);
  if (path === '/v1/metrics/heat-map') {
    const [from, step] = [Number(query.get('from_ms')), 60_000];
    const columns = Array.from({ length: 120 }, (_, at) => ({ timeMs: String(from + at * step), counts: [at % 5, 20, at % 13, at % 3] }));
    return { intervalMs: String(step), upperBoundsMs: [1, 2, 4, 8], columns };
  }

  if (path === '/v1/metrics/distributions') {
    const bars = [1, 2, 4, 8].map(bound => ({ upperBound: bound, count: 10 * bound }));
    return { batchRows: bars, queueDelayMs: bars.slice(1), latencyMs: bars };
  }

  if (path.endsWith('/state')) return { service: { id: 's1' }, revision: '7', endpoints: [], canaries: [fake.canary], assignedVersions: [] };
  if (path.includes('/canaries/')) return fake.canary;
  if (path.endsWith('/canaries') && method === 'POST') {
    fake.canary = JSON.parse(body);
    return { revision: '8', replaced: true, warnings: [] };
  }

  if (path === '/v1/models') return { models: fake.models };
  if (path === '/v1/audit') return { entries: query.get('before_id') > 0 ? [] : fake.audit };
  if (path === '/v2/repository/index') return { value: fake.repository };
  if (/^\/v2\/repository\/models\/.*\/(load|unload)$/.test(path)) return {};
  if (method === 'DELETE' && path.includes('/endpoints/')) return { revision: '9', replaced: true, warnings: [] };
  return undefined;
}

/** A line per instance; each reading begins where it is asked for. */
function series(fake, query) {
  const [from, wanted] = [Number(query.get('from_ms')), Number(query.get('interval_ms'))];
  const step = Math.max(40_000, wanted);
  const times = [];
  for (let time = Math.ceil(from / step) * step; time <= Date.now(); time += step) times.push(time);
  const line = (id, offset) => ({
    instance: id, timesMs: times.map(String), values: times.map(time => 10 + offset + fake.seriesOffset + 5 * Math.sin(time / 600_000)),
  });
  return {
    intervalMs: String(step),
    series: query.getAll('metrics').map((metric, at) => ({
      metric, title: metric, total: line('', at * 10),
      instances: query.get('omits_instances') === 'true' ? [] : fake.instances.map(({ id }, place) => line(id, place % 20)),
    })),
  };
}
