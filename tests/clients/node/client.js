// Calls the server with @grpc/grpc-js: node client.js ADDRESS
// NODE_PATH names the folder of the npm packages. Prints one line per case; exits with 1 when one fails.
'use strict';

const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const protos = path.resolve(__dirname, '../../../protos');
const definition = loader.loadSync(['inference/v2/grpc_service.proto', 'health/v1/health.proto'], {
  includeDirs: [protos], keepCase: true, longs: Number, defaults: true,
});
const packages = grpc.loadPackageDefinition(definition);
const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const limit = () => ({ deadline: Date.now() + 60000 });

function expect(condition, text) {
  if (!condition) throw new Error(text);
}

function ints(values) {
  const data = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => data.writeInt32LE(value, i * 4));
  return data;
}

function addSub(model = 'add_sub_int32') {
  const tensor = (name) => ({ name, datatype: 'INT32', shape: [1, 16] });
  return {
    model_name: model, id: 'ü1', inputs: [tensor('INPUT0'), tensor('INPUT1')],
    raw_input_contents: [ints([...Array(16).keys()]), ints(Array(16).fill(1))],
  };
}

function checkSum(response) {
  expect(response.id === 'ü1', `id ${response.id}`);
  expect(response.raw_output_contents[0].equals(ints([...Array(16).keys()].map((i) => i + 1))), 'wrong sum');
}

function wide(data) {
  return {
    model_name: 'wide', inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [data.length / 4] }],
    raw_input_contents: [data],
  };
}

function slow(steps) {
  const data = Buffer.alloc(8);
  data.writeBigInt64LE(BigInt(steps));
  return { model_name: 'slow', inputs: [{ name: 'STEPS', datatype: 'INT64', shape: [] }], raw_input_contents: [data] };
}

const endless = 2 ** 40;

function unary(client, method, request, callOptions = limit(), withCall = () => {}) {
  return new Promise((resolve, reject) => {
    withCall(client[method](request, callOptions, (error, response) => (error ? reject(error) : resolve(response))));
  });
}

async function failsWith(promise, code) {
  const error = await promise.then(() => { throw new Error(`the call succeeded, expected ${code}`); }, (e) => e);
  expect(error.code === code, `${error}, expected code ${code}`);
  return error.details;
}

function stream(client, count, closeAfter = count) {
  return new Promise((resolve, reject) => {
    const call = client.ModelStreamInfer(limit());
    let received = 0;
    call.on('data', (response) => {
      try {
        expect(response.error_message === '', response.error_message);
        checkSum(response.infer_response);
        if (++received === closeAfter) call.end();
      } catch (error) {
        reject(error);
        call.cancel();
      }
    });
    call.on('error', reject);
    call.on('end', () => (received === count ? resolve() : reject(new Error(`${received} answers`))));
    for (let i = 0; i < count; i++) call.write(addSub());
  });
}

const cases = {
  unary: async (client) => checkSum(await unary(client, 'ModelInfer', addSub())),
  bidi: (client) => stream(client, 100),
  deadline: async (client) => {
    await unary(client, 'ModelInfer', slow(100000));
    await failsWith(unary(client, 'ModelInfer', slow(endless), { deadline: Date.now() + 200 }), grpc.status.DEADLINE_EXCEEDED);
    await unary(client, 'ModelInfer', slow(3));
  },
  cancel: async (client) => {
    await unary(client, 'ModelInfer', slow(100000));
    let call;
    const running = unary(client, 'ModelInfer', slow(endless), limit(), (c) => { call = c; });
    const ended = failsWith(running, grpc.status.CANCELLED);
    await unary(client, 'ServerLive', {});
    call.cancel();
    await ended;
    await unary(client, 'ModelInfer', slow(3));
  },
  errors: async (client) => {
    const details = await failsWith(unary(client, 'ModelInfer', addSub('größe-模型')), grpc.status.NOT_FOUND);
    expect(details === "Request for unknown model: 'größe-模型' is not found", details);
    const wrong = addSub();
    wrong.inputs[0].shape = [1, 17];
    await failsWith(unary(client, 'ModelInfer', wrong), grpc.status.INVALID_ARGUMENT);
    const bytes = (value) => value;
    await failsWith(new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/inference.GRPCInferenceService/NoSuchMethod', bytes, bytes, Buffer.alloc(0), limit(),
        (error, response) => (error ? reject(error) : resolve(response)));
    }), grpc.status.UNIMPLEMENTED);
  },
  large: async (client) => {
    const data = Buffer.alloc(64 * 1024 * 1024, Buffer.from([1, 2, 3, 4, 5, 6, 7]));
    const response = await unary(client, 'ModelInfer', wide(data));
    expect(response.raw_output_contents[0].equals(data), 'other bytes');
  },
  streams: (client) => Promise.all(Array.from({ length: 1000 }, () => stream(client, 2))),
  gzip: async (client, address) => {
    for (const algorithm of [grpc.compressionAlgorithms.gzip, grpc.compressionAlgorithms.deflate]) {
      const packed = new packages.inference.GRPCInferenceService(
        address, grpc.credentials.createInsecure(),
        { ...options, 'grpc.default_compression_algorithm': algorithm });
      const data = Buffer.alloc(1 << 20);
      const response = await unary(packed, 'ModelInfer', wide(data));
      expect(response.raw_output_contents[0].equals(data), 'other bytes');
      packed.close();
    }
  },
  health: async (client, address) => {
    const health = new packages.grpc.health.v1.Health(address, grpc.credentials.createInsecure());
    const response = await unary(health, 'Check', { service: 'model/wide' });
    expect(response.status === 'SERVING' || response.status === 1, `status ${response.status}`);
    health.close();
  },
};

async function main(address) {
  let failed = 0;
  const client = new packages.inference.GRPCInferenceService(address, grpc.credentials.createInsecure(), options);
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run(client, address);
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}: ${error}`);
    }
  }
  client.close();
  process.exitCode = failed ? 1 : 0;
}

if (process.argv.length !== 3) {
  console.error('usage: node client.js ADDRESS');
  process.exit(2);
}
main(process.argv[2]);
