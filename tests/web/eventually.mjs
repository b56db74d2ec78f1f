/** Waits for what a function gives, where there is no event to wait for. */
export async function eventually(what, seconds, look) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    let failure = '';
    const found = await look().catch(({ message }) => void (failure = `: ${message}`));
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s${failure}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}
