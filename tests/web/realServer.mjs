// The server itself with its endpoints, and a scripted load on them.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.mjs';
import { freePort } from './freePort.mjs';

const root = join(import.meta.dirname, '../..');
const program = join(root, 'artifacts/bin/Sluice.Server/release/sluice.dll');

/** Starts the server; its address stays the same when it is started again. */
export async function startServer(...more) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-page-'));
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const server = { address, log: '', folder };
  let child;
  server.start = async () => {
    child = spawn('dotnet', [
      program, 'serve', '--model-repository', join(root, 'examples/models'), '--model-control-mode', 'explicit', '--load-model', 'digits',
      '--http-port', 0, '--grpc-port', 0, '--metrics-port', 0, '--serve-port', port, '--data-folder', join(folder, 'data'), '--replica', 'replica-1',
      '--history-interval-secs', 2,
      ...more].map(String), { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', text => (server.log += text));
    try {
      await eventually('the server is ready', 60, async () => (await fetch(`${address}/health/ready`)).ok);
    } catch (failure) {
      child.kill('SIGKILL');
      throw new Error(`${failure.message}\n${server.log}`);
    }
  };
  server.stop = () => new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
  server.dispose = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  server.call = async (method, path, body) => {
    const response = await fetch(address + path, {
      method, ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : {};
  };
  await server.start();
  return server;
}

const echo = `
class Preprocess:
    def process(self, data, state, fn):
        return {"got": data}
`;

const crashing = `
print("reading the weights", flush=True)
raise ValueError("the weights are not there")
`;

/** Makes a service with two versions of an endpoint, one of a monitor, one without a model, two that cannot be loaded, and a canary. */
export async function fill(server) {
  const { id } = await server.call('POST', '/v1/services', { name: 'page', project: 'demo' });
  const upload = (name, bytes) => server.call('PUT', `/v1/models:upload?name=${name}&project=demo&file_name=model.onnx&framework=onnx&tags=demo`, bytes);
  const digits = await upload('digits', readFileSync(join(root, 'examples/models/digits/1/model.onnx')));
  const newer = await upload('digits', readFileSync(join(root, 'examples/models/digits/1/model.onnx')));
  const broken = await upload('broken', new TextEncoder().encode('no model at all'));
  for (const [version, modelId] of [['1', digits.id], ['2', newer.id]]) {
    await server.call('POST', `/v1/services/${id}/endpoints`, { engineType: 'triton', servingUrl: 'digits', version, modelId });
  }

  await server.call('POST', `/v1/services/${id}/endpoints`, { engineType: 'triton', servingUrl: 'broken', modelId: broken.id });
  for (const [name, code] of [['echo', echo], ['crashing', crashing]]) {
    await server.call('PUT', `/v1/services/${id}/artifacts/py_code_${name}?file_name=${name}.py`, new TextEncoder().encode(code));
    await server.call('POST', `/v1/services/${id}/endpoints`, { engineType: 'custom', servingUrl: name, preprocessArtifact: `py_code_${name}` });
  }

  await server.call('POST', `/v1/services/${id}/monitors`, { engineType: 'triton', baseServingUrl: 'auto', monitorName: 'digits', maxVersions: 1 });
  await server.call('POST', `/v1/services/${id}/canaries`, { endpoint: 'digits_canary', weights: [0.2, 0.8], loadEndpoints: ['digits/2', 'digits/1'] });
  for (const path of ['digits/1', 'digits/2', 'digits_canary', 'echo', 'auto/1']) {
    await eventually(path, 30, async () => (await fetch(`${server.address}/health/endpoints/${path}`)).ok);
  }

  return { serviceId: id, modelId: digits.id };
}

const digit = JSON.parse(readFileSync(join(root, 'examples/digits/digit-3.json'), 'utf8')).inputs[0].data;

/** Calls an endpoint some times, some of them with what it refuses. */
export async function load(server, path, count, failures = 0) {
  const bodies = [...Array(count).fill(JSON.stringify({ image: [digit] })), ...Array(failures).fill('{"image": "no picture"}')];
  const statuses = [];
  for (let at = 0; at < bodies.length; at += 8) {
    const answers = await Promise.all(bodies.slice(at, at + 8).map(body => fetch(
      `${server.address}/serve/${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })));
    for (const answer of answers) {
      await answer.arrayBuffer();
      statuses.push(answer.status);
    }
  }

  if (statuses.filter(status => status === 200).length !== count) throw new Error(`${path}: ${statuses.join(' ')}`);
}
