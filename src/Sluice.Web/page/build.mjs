// Bundles the page into a folder: index.html, and assets/ with names that change with their contents; each file with
// its .gz and .br beside it.
//
//   node build.mjs FOLDER
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build } from 'esbuild';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node build.mjs FOLDER');
const source = import.meta.dirname;

const { metafile } = await build({
  absWorkingDir: source,
  entryPoints: ['source/main.tsx', 'source/theme.ts', 'source/styles/main.css'],
  outdir: folder,
  entryNames: 'assets/[ext]-[name]-[hash]',
  chunkNames: 'assets/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  metafile: true,
  legalComments: 'none',
  logLevel: 'warning',
});

const built = Object.fromEntries(
  Object.entries(metafile.outputs).map(([path, { entryPoint }]) => [entryPoint, `/assets/${basename(path)}`]));
let page = await readFile(join(source, 'index.html'), 'utf8');
page = page.replace('%STYLE%', built['source/styles/main.css']).replace('%THEME%', built['source/theme.ts'])
  .replace('%MAIN%', built['source/main.tsx']).replace(/\n\s*/g, '\n');
await writeFile(join(folder, 'index.html'), page);
await writeFile(join(folder, 'favicon.svg'), await readFile(join(source, 'favicon.svg')));

for (const name of await readdir(folder, { recursive: true })) {
  if (!/\.(html|js|css|svg)$/.test(name)) continue;
  const path = join(folder, name);
  const bytes = await readFile(path);
  await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
  await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
}
