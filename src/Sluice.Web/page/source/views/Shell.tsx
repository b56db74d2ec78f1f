import { useRoute } from '../state/route';

/** The frame of the page: where one can go, and what is shown there. */
export function Shell() {
  const { path } = useRoute();
  return (
    <div class="shell">
      <header>
        <a class="brand" href="/"><img src="/favicon.svg" alt="" />Model Endpoints</a>
      </header>
      <main>{path.join(' / ')}</main>
    </div>
  );
}
