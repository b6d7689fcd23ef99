// Talking to the program that serves this page. All paths are relative: there is no other host.

const KEEPALIVE_MOST = 16000; // characters; browsers hold what may outlive a page to 64 KiB in all
export const RETRY_MS = 1500;

// No answer, or not to this address: what was asked for is there once the line is.
export const isLineError = (error) => [0, 401, 403, 408].includes(error.status);

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw Object.assign(new Error("the program does not answer"), { status: 0 });
  }
  if (response.ok) return response;
  let text = `${response.status} ${response.statusText}`;
  try {
    text = (await response.json()).error || text;
  } catch {
    // the answer was not JSON: the status line has to do
  }
  throw Object.assign(new Error(text), { status: response.status });
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function getBuffer(path) {
  return (await ask(path)).arrayBuffer();
}

// Every change carries a header that no foreign page can set.
export async function post(path, value) {
  const body = JSON.stringify(value);
  const headers = { "Content-Type": "application/json", "X-Scatterloop": "1" };
  return (await ask(path, { method: "POST", headers, body, keepalive: body.length < KEEPALIVE_MOST })).json();
}

// events(handlers, onState): live messages; handlers by event name. The browser reconnects by itself after a broken
// line, but not after a refusal, which ends when the new address has been opened.
export function events(handlers, onState) {
  const source = new EventSource("api/events");
  for (const [name, handle] of Object.entries(handlers)) source.addEventListener(name, (e) => handle(JSON.parse(e.data)));
  source.onopen = () => onState(true);
  source.onerror = () => {
    onState(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => events(handlers, onState), RETRY_MS);
  };
}
