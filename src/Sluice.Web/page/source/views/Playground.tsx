import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { describe, fill, inferPath, type ModelMetadata, type Reply, type TensorMetadata, tryOut } from '../api/inference';
import type { ServedEndpoint } from '../api/metrics';
import { formatLatency } from '../format';
import { useAccess } from '../state/access';
import { CopyButton } from '../ui/parts';

const MostShown = 20_000;

/** A request made of what the model says it takes, sent for real. */
export function Playground({ endpoint }: { endpoint: ServedEndpoint }) {
  const { hasModels, servePath, token } = useAccess();
  const [model, setModel] = useState<ModelMetadata | null>();
  const [error, setError] = useState('');

  // Code in front of a model takes what it likes, and tensors go past it.
  const hasCode = endpoint.preprocessArtifact !== '';
  const [usesTensors, setUsesTensors] = useState(!hasCode);
  useEffect(() => {
    if (!hasModels || endpoint.kind === 'REPORTED') {
      setModel(null);
      return undefined;
    }

    const abort = new AbortController();
    describe(endpoint.name, abort.signal).then(setModel, failure => {
      if (!abort.signal.aborted) setError((failure as Error).message);
    });
    return () => abort.abort();
  }, [endpoint.name, hasModels, token]);

  if (endpoint.kind === 'REPORTED') return <p class="empty">Another program serves this endpoint, at <code>{endpoint.url}</code>.</p>;
  if (error) return <p class="empty error" role="alert">{error}</p>;
  if (model === undefined) return <p class="empty" role="status">Reading what the model takes…</p>;
  const isServed = endpoint.kind !== 'MODEL';
  const showsTensors = model !== null && (usesTensors || !isServed);
  return (
    <div class="scroller padded stack">
      {model !== null && isServed && (
        <div class="group" role="group" aria-label="Kind of request">
          <button type="button" aria-pressed={showsTensors} onClick={() => setUsesTensors(true)}>Tensors</button>
          <button type="button" aria-pressed={!showsTensors} onClick={() => setUsesTensors(false)}>JSON to {servePath}</button>
        </div>
      )}
      {showsTensors
        ? <TensorForm key="tensors" name={endpoint.name} model={model} />
        : <JsonForm key="json" path={`${servePath}/${endpoint.name.split('/').map(encodeURIComponent).join('/')}`} model={hasCode ? null : model} />}
    </div>
  );
}

interface Draft {
  shape: string;
  data: string;
}

const draftOf = ({ datatype, shape }: TensorMetadata, next: () => number): Draft => {
  const sizes = shape.map(size => (size < 0 ? 1 : size));
  return { shape: JSON.stringify(sizes), data: JSON.stringify(fill(datatype, sizes, next)) };
};

const zero = () => 0;

function TensorForm({ name, model }: { name: string; model: ModelMetadata }) {
  const [drafts, setDrafts] = useState(() => model.inputs.map(input => draftOf(input, zero)));
  const change = (place: number, draft: Draft) => setDrafts(drafts.map((one, at) => (at === place ? draft : one)));

  function refill(place: number, next: () => number): void {
    const { datatype } = model.inputs[place]!;
    const { shape } = drafts[place]!;
    try {
      change(place, { shape, data: JSON.stringify(fill(datatype, JSON.parse(shape) as number[], next)) });
    } catch {
      // The shape is marked as what cannot be read.
    }
  }

  const body = () => JSON.stringify({
    inputs: model.inputs.map(({ name: input, datatype }, place) => ({
      name: input, datatype, shape: read(drafts[place]!.shape, `shape of ${input}`), data: [read(drafts[place]!.data, input)].flat(Infinity),
    })),
  });
  return (
    <Try path={inferPath(name)} body={body}>
      {model.inputs.map(({ name: input, datatype, shape }, place) => (
        <fieldset key={input} class="stack">
          <legend><b>{input}</b> <span class="soft">{datatype} [{shape.join(', ')}]</span></legend>
          <div class="row">
            <label class="row">Shape
              <input class="mono" value={drafts[place]!.shape} aria-invalid={!isJson(drafts[place]!.shape)}
                onInput={event => change(place, { ...drafts[place]!, shape: event.currentTarget.value })} />
            </label>
            <button type="button" onClick={() => refill(place, zero)}>Zeros</button>
            <button type="button" onClick={() => refill(place, Math.random)}>Random</button>
          </div>
          <textarea rows={4} spellcheck={false} aria-label={`Data of ${input}`} aria-invalid={!isJson(drafts[place]!.data)} value={drafts[place]!.data}
            onInput={event => change(place, { ...drafts[place]!, data: event.currentTarget.value })} />
        </fieldset>
      ))}
    </Try>
  );
}

function JsonForm({ path, model }: { path: string; model: ModelMetadata | null }) {
  const [text, setText] = useState(() => JSON.stringify(
    model ? Object.fromEntries(model.inputs.map(input => [input.name, JSON.parse(draftOf(input, zero).data)])) : { x0: 1, x1: 2 }, null, 1));
  return (
    <Try path={path} body={() => text}>
      <textarea rows={8} spellcheck={false} aria-label="Body" aria-invalid={!isJson(text)} value={text} onInput={event => setText(event.currentTarget.value)} />
    </Try>
  );
}

/** Sends what a form has made, and shows the reply with its timing. */
function Try({ path, body, children }: { path: string; body: () => string; children: ComponentChildren }) {
  const [reply, setReply] = useState<Reply>();
  const [error, setError] = useState('');
  const [isBusy, setBusy] = useState(false);

  async function run(event: Event): Promise<void> {
    event.preventDefault();
    setError('');
    setBusy(true);
    try {
      setReply(await tryOut(path, body()));
    } catch (failure) {
      setError((failure as Error).message);
    }
    setBusy(false);
  }

  const command = () => `curl -s '${location.origin}${path}' -H 'Content-Type: application/json' -d '${safely(body).replaceAll("'", "'\\''")}'`;
  return (
    <>
      <form class="stack" onSubmit={run}>
        {children}
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy}>Send</button>
          <code class="soft">POST {path}</code>
          <CopyButton text={command()} label="Copy as a curl command" />
        </div>
      </form>
      {error && <p class="error" role="alert">{error}</p>}
      {reply && (
        <section aria-label="Reply" class="stack">
          <div class="row" role="status">
            <span class={`badge ${reply.status < 400 ? 'ready' : 'failed'}`}>{reply.status}</span>
            <b>{formatLatency(reply.totalMs)} ms</b>
            <span class="soft">as the browser measured it</span>
            {reply.stages.map(([name, ms]) => <span key={name} class="tag">{name} {formatLatency(ms)} ms</span>)}
          </div>
          <pre class="log" tabIndex={0}>{pretty(reply.text)}</pre>
        </section>
      )}
    </>
  );
}

function read(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`The ${what} is no JSON.`);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function safely(body: () => string): string {
  try {
    return body();
  } catch {
    return '';
  }
}

/** Numbers stay on one line; what is long is cut. */
function pretty(text: string): string {
  const shown = isJson(text) ? JSON.stringify(JSON.parse(text), null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, inner: string) => `[${inner.replace(/\s+/g, ' ')}]`) : text;
  return shown.length > MostShown ? `${shown.slice(0, MostShown)}\n… ${shown.length - MostShown} more characters` : shown;
}
