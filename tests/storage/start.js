// Starts S3's and Azure's stand-ins on free ports of this machine and prints their addresses as one line of JSON.
// Ends when its standard input does, so that it never outlives the tests that started it.
'use strict';

const { spawn } = require('child_process');
const path = require('path');

const [modules, folder] = process.argv.slice(2);
const S3rver = require(path.join(modules, 's3rver'));

async function startS3() {
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: path.join(folder, 's3'),
    configureBuckets: [{ name: 'models' }],
  });
  const address = await server.run();
  return `127.0.0.1:${address.port}`;
}

function startAzure() {
  const program = path.join(modules, 'azurite', 'dist', 'src', 'blob', 'main.js');
  const azurite = spawn(process.execPath, [program, '--blobHost', '127.0.0.1', '--blobPort', '0', '--location',
    path.join(folder, 'azure'), '--skipApiVersionCheck', '--disableProductStyleUrl', '--disableTelemetry']);
  process.on('exit', () => azurite.kill());
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (data) => {
      text += data;
      const found = /http:\/\/127\.0\.0\.1:([1-9]\d*)/.exec(text);
      if (found) resolve(`127.0.0.1:${found[1]}`);
    };
    azurite.stdout.on('data', read);
    azurite.stderr.on('data', read);
    azurite.on('exit', () => reject(new Error(`azurite ended: ${text}`)));
  });
}

process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
Promise.all([startS3(), startAzure()]).then(
  ([s3, azure]) => console.log(JSON.stringify({ s3, azure })),
  (error) => {
    console.error(error);
    process.exit(1);
  });
