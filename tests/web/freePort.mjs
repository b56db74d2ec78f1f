import { createServer } from 'node:net';

let next = process.pid * 97;

const isFree = port => new Promise(resolve => {
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
});

/** A port below those that the system gives to connections and to port 0, so that nothing takes it before it is used, also after a restart. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + next++ % 12_000;
    if (await isFree(port)) return port;
  }
}
