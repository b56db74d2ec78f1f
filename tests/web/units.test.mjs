// What the page computes, without a browser.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';

const root = join(import.meta.dirname, '../..');
const source = join(root, 'src/Sluice.Web/page/source');
const { buildSync } = createRequire(join(root, 'artifacts/web/package.json'))('esbuild');

async function load(path) {
  const { outputFiles } = buildSync({ entryPoints: [join(source, path)], bundle: true, format: 'esm', write: false, platform: 'neutral' });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

const { formatBytes, formatDuration, formatLatency, formatShare, parseDuration } = await load('format.ts');
const { arrange, isReadable, toggleSort } = await load('table/arrange.ts');
const { toCsv } = await load('table/csv.ts');
const { readState, writeState } = await load('table/query.ts');
const { compareKeys, newestOf } = await load('versions.ts');

const columns = [
  { id: 'name', title: 'NAME', type: 'text', value: row => row.name },
  { id: 'tags', title: 'TAGS', type: 'choice', value: row => row.tags ?? [] },
  { id: 'size', title: 'SIZE', type: 'number', value: row => row.size },
];

const names = rows => rows.map(({ name }) => name).join(' ');

const state = change => ({ sorts: [], filters: {}, search: { text: '', isPattern: false }, ...change });

test('all script together is small, and compressed in both ways', () => {
  const assets = join(root, 'artifacts/web/dist/assets');
  const files = readdirSync(assets);
  const sizes = ending => files.filter(name => name.endsWith(ending)).map(name => statSync(join(assets, name)).size);
  for (const ending of ['.js.gz', '.js.br']) {
    assert.equal(sizes(ending).length, sizes('.js').length);
    const size = sizes(ending).reduce((a, b) => a + b, 0);
    assert.ok(size > 20_000 && size < 250_000, `${size} bytes`);
  }
});

test('durations have the two largest units, and are read back', () => {
  for (const [seconds, text] of [[5, '5s'], [43 * 60, '43m'], [73140, '20:19h'], [9 * 86400 + 18 * 3600, '9:18d']]) {
    assert.equal(formatDuration(seconds), text);
    assert.equal(parseDuration(text), seconds);
  }

  assert.equal(parseDuration('1.5h'), 5400);
  assert.equal(parseDuration('90'), 90);
  assert.equal(parseDuration('soon'), undefined);
});

test('numbers are as long as they need to be', () => {
  assert.deepEqual([0, 0.1234, 2.345, 34.56, 1234.5].map(formatLatency), ['0', '0.123', '2.35', '34.6', '1,235']);
  assert.deepEqual([0, 0.00001, 0.034, 1].map(formatShare), ['0%', '<0.01%', '3.4%', '100%']);
  assert.deepEqual([12, 1500, 2_500_000].map(formatBytes), ['12 B', '1.5 KB', '2.5 MB']);
});

test('rows are sorted by several columns, numbers in names by value', () => {
  const rows = [{ name: 'm10', size: 1 }, { name: 'm2', size: 1 }, { name: 'm1', size: 2 }];
  assert.equal(names(arrange(rows, columns, state({ sorts: [{ column: 'name', descends: false }] }), row => row.name)), 'm1 m2 m10');
  assert.equal(
    names(arrange(rows, columns, state({ sorts: [{ column: 'size', descends: true }, { column: 'name', descends: true }] }), row => row.name)), 'm1 m10 m2');
});

test('a sort goes up, then down, then away; one that is added keeps the others', () => {
  const up = toggleSort([], 'a', false);
  const down = toggleSort(up, 'a', false);
  assert.deepEqual([up, down, toggleSort(down, 'a', false)], [[{ column: 'a', descends: false }], [{ column: 'a', descends: true }], []]);
  const both = toggleSort(down, 'b', true);
  assert.deepEqual(both, [{ column: 'a', descends: true }, { column: 'b', descends: false }]);
  assert.deepEqual(toggleSort(toggleSort(both, 'b', true), 'b', true), down);
});

test('search and filters keep out what does not fit', () => {
  const rows = [{ name: 'ab', tags: ['x', 'y'], size: 1 }, { name: 'AC', tags: ['y'], size: 5 }, { name: 'b', tags: [], size: 9 }];
  const seen = change => names(arrange(rows, columns, state(change), row => row.name));
  assert.equal(seen({ search: { text: 'a', isPattern: false } }), 'ab AC');
  assert.equal(seen({ search: { text: '^a[^b]', isPattern: true } }), 'AC');
  assert.equal(seen({ search: { text: '(', isPattern: true } }), 'ab AC b');
  assert.equal(seen({ search: { text: '(', isPattern: false } }), '');
  assert.equal(seen({ filters: { tags: { values: ['x'] } } }), 'ab');
  assert.equal(seen({ filters: { size: { min: 5 } } }), 'AC b');
  assert.equal(seen({ filters: { size: { min: 1, max: 5 }, tags: { values: ['y'] } } }), 'ab AC');
  assert.equal(isReadable({ text: '(', isPattern: true }), false);
});

test('a spreadsheet runs nothing of what a CSV file holds', () => {
  const texts = ['=1+1', '+1+1', '-1+1', '@SUM(A1)', '\tx', '\r=x', 'a,b', 'say "hi"', 'two\nlines', "'quoted", 'plain'];
  const lines = toCsv(texts.map(name => ({ name, tags: ['t', 'u'], size: -1.5 })), columns).split('\r\n');
  assert.deepEqual(lines, [
    'NAME,TAGS,SIZE', "'=1+1,t u,-1.5", "'+1+1,t u,-1.5", "'-1+1,t u,-1.5", "'@SUM(A1),t u,-1.5", "'\tx,t u,-1.5", "' =x,t u,-1.5",
    '"a,b",t u,-1.5', '"say ""hi""",t u,-1.5', 'two lines,t u,-1.5', "'quoted,t u,-1.5", 'plain,t u,-1.5', '',
  ]);
});

test('the state of a table goes into the address and comes back', () => {
  const written = state({
    sorts: [{ column: 'size', descends: true }, { column: 'name', descends: false }],
    filters: { tags: { values: ['a..b', 'x&y'] }, size: { min: -2.5 } },
    search: { text: 'a b', isPattern: true },
  });
  const query = new URLSearchParams('other=1&f.size=1..2');
  writeState(query, written);
  assert.equal(query.get('other'), '1');
  assert.deepEqual(readState(new URLSearchParams(query.toString()), columns, []), written);
  assert.deepEqual(readState(new URLSearchParams(), columns, [{ column: 'name', descends: false }]).sorts, [{ column: 'name', descends: false }]);
});

test('weights of a prefix go to the newest versions that are ready, in the server\'s order', () => {
  assert.deepEqual(['m/9', 'm/10', 'm/2.0', 'm/v2', 'm/v10', 'a/1', 'm/1.10'].sort(compareKeys), ['m/v10', 'm/v2', 'm/10', 'm/9', 'm/2.0', 'm/1.10', 'a/1']);
  const endpoint = (name, state = 'READY', kind = 'STATIC') => ({ name, state, kind });
  assert.deepEqual(newestOf('x', [endpoint('x/1'), endpoint('x/2'), endpoint('x/3', 'LOADING'), endpoint('x_canary', 'READY', 'CANARY'), endpoint('y/7')]), ['x/2', 'x/1']);
  assert.deepEqual(newestOf('x', [endpoint('x/1', 'FAILED'), endpoint('x/2', 'LOADING')]), ['x/2', 'x/1']);
});
