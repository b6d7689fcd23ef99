// Talking to the program that serves this page. All paths are relative: there is no other host.

async function checked(response) {
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
  return (await checked(await fetch(path))).json();
}

export async function getBuffer(path) {
  return (await checked(await fetch(path))).arrayBuffer();
}

// Every change carries a header that no foreign page can set.
export async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scatterloop": "1" },
    body: JSON.stringify(body),
    keepalive: true,
  });
  return (await checked(response)).json();
}

// events(handlers): live messages; handlers by event name. The browser reconnects by itself.
export function events(handlers, onState) {
  const source = new EventSource("api/events");
  for (const [name, handle] of Object.entries(handlers)) source.addEventListener(name, (e) => handle(JSON.parse(e.data)));
  source.onopen = () => onState(true);
  source.onerror = () => onState(false);
  return source;
}
