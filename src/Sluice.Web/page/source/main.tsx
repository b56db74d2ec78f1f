import { render } from 'preact';
import { call } from './api/client';
import { access } from './state/access';
import { followHistory } from './state/route';
import { Shell } from './views/Shell';

interface About {
  version: string;
  asks_for_credentials: boolean;
  serve_path: string;
  has_models: boolean;
}

followHistory();
void call<About>('/page.json').then(
  about => access.set({
    version: about.version, asks: about.asks_for_credentials, servePath: about.serve_path, hasModels: about.has_models,
  }),
  () => undefined);
render(<Shell />, document.getElementById('page')!);
