// The review page: joins queue, view, sheet and keys.

import { events, get } from "./api.js";
import { Outbox } from "./outbox.js";
import { profile } from "./pixels.js";
import { curve, histogram } from "./plot.js";
import { Queue } from "./queue.js";
import { Sheet } from "./sheet.js";
import { View } from "./view.js";

const REPEAT_GUARD_MS = 120; // a key held down must not decide image after image
const IDLE_MS = 30000; // longer pauses do not count as time at work

const $ = (id) => document.getElementById(id);
const state = { mode: "focus", shownAt: 0, activeMs: 0, lastInput: 0, lastKey: 0, decidedHere: 0, startedAt: Date.now() };
let session, queue, view, sheet, outbox;

const KEYS = [
  ["j", "real", () => decide("real")],
  ["f", "unreal", () => decide("unreal")],
  [" ", "unsure", () => decide("unsure")],
  ["u", "undo, as far back as you like", () => queue.undo() && refresh()],
  ["Backspace", "undo", () => queue.undo() && refresh()],
  ["U", "redo", () => queue.redo() && refresh()],
  ["k", "next without deciding", () => (queue.step(1), refresh())],
  ["d", "back without deciding", () => (queue.step(-1), refresh())],
  ["n", "note for this image", () => openNote()],
  ["l", "scale: log, asinh, sqrt, linear", () => view.cycle("scale")],
  ["c", "colour map", () => view.cycle("map")],
  ["[", "wider window", () => view.cycle("wider")],
  ["]", "narrower window", () => view.cycle("narrower")],
  ["m", "mask on or off", () => view.cycle("mask")],
  ["z", "100 % or fit", () => view.cycle("zoom")],
  ["ArrowLeft", "pan", () => view.move(1, 0)],
  ["ArrowRight", "pan", () => view.move(-1, 0)],
  ["ArrowUp", "pan", () => view.move(0, 1)],
  ["ArrowDown", "pan", () => view.move(0, -1)],
  ["g", "contact sheet and back", () => setMode(state.mode === "focus" ? "sheet" : "focus")],
  ["?", "this list", () => $("help").showModal()],
];
const NAMES = { " ": "space", U: "⇧U", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

function touch() {
  const now = Date.now();
  state.activeMs += Math.min(IDLE_MS, now - state.lastInput);
  state.lastInput = now;
}

// What the expert saw and when: stored with the decision.
function context(item) {
  touch();
  return {
    display: { ...view.display, zoom: view.zoomText(), mode: state.mode },
    shown_at_ms: item.shownAt || state.shownAt,
    active_ms: Math.round(state.activeMs),
  };
}

function decide(label, reasons = []) {
  const item = queue.item;
  if (!item) return;
  queue.decide([{ item, label, reasons, note: $("note").value }], context);
  state.decidedHere++;
  queue.next();
  refresh();
}

function openNote() {
  $("note-box").hidden = false;
  $("note").focus();
}

function showProgress() {
  const [done, all] = [queue.decided, queue.items.length];
  $("progress").max = all || 1;
  $("progress").value = done;
  $("progress-text").textContent = all ? `${done} of ${all} decided` : "";
  const minutes = (Date.now() - state.startedAt) / 60000;
  $("pace").textContent = state.decidedHere > 4 ? `${(state.decidedHere / minutes).toFixed(0)} a minute` : "";
}

async function refresh() {
  showProgress();
  if (state.mode === "sheet") return sheet.show();
  queue.prefetch();
  const item = queue.item;
  $("empty").hidden = Boolean(item);
  $("note").value = item && item.decision ? item.decision.note : "";
  $("note-box").hidden = !$("note").value;
  if (!item) {
    $("empty").textContent = queue.items.length
      ? `All ${queue.items.length} images are decided.\nU takes the last one back; the next round begins when you run it.`
      : "No review queue is open.\nRun a round (scatterloop round), then reload this page.";
    clearRail();
    return undefined;
  }
  try {
    const image = await queue.pixels(item);
    if (queue.item !== item) return undefined;
    view.show(image);
    state.shownAt = Date.now();
    state.activeMs = 0;
    state.lastInput = state.shownAt;
    document.body.dataset.image = item.image; // lets a test see what is on screen
    $("prompt").textContent = item.prompt || "(no prompt)";
    const d = item.decision;
    $("stamp").hidden = !d;
    if (d) {
      $("stamp").textContent = d.label + (d.reasons.length ? `: ${d.reasons.map((r) => session.reasons[r - 1]).join(", ")}` : "");
      $("stamp").className = `stamp ${d.label}`;
    }
    const detail = await queue.detail(item);
    if (queue.item === item) showDetail(image, detail, item);
  } catch (error) {
    clearRail();
    $("prompt").textContent = `This image cannot be shown: ${error.message}`;
  }
  return undefined;
}

function clearRail() {
  for (const id of ["prompt", "state", "tests", "provenance"]) $(id).replaceChildren();
  $("stamp").hidden = true;
}

function showDetail(image, detail, item) {
  const score = detail.p_real === null || detail.p_real === undefined
    ? (item.decision ? "" : "score hidden until you decide")
    : `classifier: P(real) = ${detail.p_real.toFixed(3)}`;
  $("state").textContent = [`${queue.at + 1} of ${queue.items.length}`, score].filter(Boolean).join(" · ");
  const centre = detail.centre_px || [image.width / 2, image.height / 2];
  const p = profile(image, centre);
  const scale = detail.q_per_px_nm;
  $("profile-title").textContent = scale ? "I(q), azimuthal average" : "Azimuthal average";
  curve($("profile"), scale ? p.radius.map((r) => r * scale) : p.radius, p.mean,
    scale ? "q / nm⁻¹" : detail.centre_px ? "radius / px" : "radius from image centre / px");
  $("tests").replaceChildren(...(detail.tests || []).map((t) => {
    const li = document.createElement("li");
    li.className = t.verdict === "fired" ? "fired" : t.verdict === "passed" ? "passed" : "none";
    const [name, value] = [document.createElement("span"), document.createElement("span")];
    name.textContent = t.name;
    value.textContent = t.verdict === "n/a" ? "does not apply" : t.text;
    li.title = t.explain || "";
    li.append(name, value);
    return li;
  }));
  if (!(detail.tests || []).length) $("tests").textContent = item.decision ? "none recorded" : "hidden until you decide";
  $("provenance").replaceChildren(...Object.entries(detail.provenance || {}).flatMap(([k, v]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = k;
    dd.textContent = typeof v === "object" ? JSON.stringify(v) : String(v);
    return [dt, dd];
  }));
}

function showDisplay() {
  const d = view.display;
  $("show-scale").textContent = `${d.scale} `;
  $("show-map").textContent = `${d.map} `;
  $("show-mask").textContent = `mask ${d.mask ? "on" : "off"} `;
  $("show-zoom").textContent = `${view.zoomText()} `;
  for (const [id, key] of [["show-scale", "L"], ["show-map", "C"], ["show-mask", "M"], ["show-zoom", "Z"]]) {
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    $(id).append(kbd);
  }
  const image = view.image;
  if (!image) return;
  const [a, b] = view.windowPercent();
  const [low, high] = [image.percentile(a), image.percentile(b)];
  $("window").textContent = `window ${a}–${b} %: ${+low.toPrecision(4)} to ${+high.toPrecision(4)} counts`;
  histogram($("histogram"), image.sorted, low, high);
}

function setMode(mode) {
  state.mode = mode;
  $("focus").hidden = mode !== "focus";
  $("sheet").hidden = mode !== "sheet";
  $("mode").textContent = mode === "focus" ? "Sheet" : "Focus";
  if (mode === "focus" && queue.item && queue.item.decision) queue.next();
  refresh();
}

function commitSheet() {
  const choices = sheet.choices();
  if (!choices.length) return;
  for (const c of choices) c.item.shownAt = c.shown_at_ms;
  queue.decide(choices, context);
  state.decidedHere += choices.length;
  queue.at = 0;
  if (queue.item && queue.item.decision) queue.next();
  refresh();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target === $("note")) {
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      $("view").focus();
    }
    return;
  }
  const onButton = event.target instanceof HTMLButtonElement || event.target.tagName === "SUMMARY";
  if (onButton && (event.key === "Enter" || event.key === " ")) return;
  const now = performance.now();
  if (event.repeat && now - state.lastKey < REPEAT_GUARD_MS) {
    event.preventDefault();
    return;
  }
  state.lastKey = now;
  touch();
  if (press(event.key)) event.preventDefault();
}

function press(key) {
  const plain = key.length === 1 && key !== "U" ? key.toLowerCase() : key;
  if (state.mode === "sheet") {
    if (key === "Enter") return commitSheet(), true;
    if (sheet.key(plain)) return true;
    if (!["u", "U", "Backspace", "g", "?", "l", "c", "m", "[", "]"].includes(plain)) return false;
  } else if (/^[1-9]$/.test(key) && Number(key) <= session.reasons.length) {
    return decide("unreal", [Number(key)]), true;
  }
  const entry = KEYS.find(([k]) => k === plain);
  if (!entry) return false;
  entry[2]();
  if (state.mode === "sheet" && "lcm[]".includes(plain)) sheet.tiles.forEach((t) => sheet.draw(t));
  return true;
}

function showLight(kind, text, answer) {
  $("saved").className = `light ${kind}`;
  $("saved").textContent = text;
  if (answer && answer.refused) queue.load().then(refresh);
}

function showJob(job) {
  let li = document.getElementById(`job-${job.id}`);
  if (job.state === "done") {
    if (li) li.remove();
    $("jobs-section").hidden = !$("jobs").children.length;
    return;
  }
  if (!li) {
    li = document.createElement("li");
    li.id = `job-${job.id}`;
    li.append(document.createElement("div"), document.createElement("progress"));
    $("jobs").append(li);
  }
  li.firstChild.textContent = `${job.what}: ${job.done}${job.total ? ` of ${job.total}` : ""} ${job.unit}${job.note ? ` · ${job.note}` : ""}`;
  li.lastChild.max = job.total || 1;
  li.lastChild.value = job.total ? job.done : 0;
  $("jobs-section").hidden = false;
}

function buildPage() {
  $("workspace").textContent = session.workspace;
  document.title = `review · ${session.workspace}`;
  $("reasons").replaceChildren(...session.reasons.map((text, i) => {
    const li = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = String(i + 1);
    const kbd = document.createElement("kbd");
    kbd.textContent = String(i + 1);
    button.append(kbd, ` ${text}`);
    li.append(button);
    return li;
  }));
  $("help-table").tBodies[0].replaceChildren(...[...KEYS, ["1–9", "unreal, with that reason"], ["Enter", "save the page (contact sheet)"]]
    .map(([key, text]) => {
      const row = document.createElement("tr");
      const [a, b] = [document.createElement("td"), document.createElement("td")];
      const kbd = document.createElement("kbd");
      kbd.textContent = NAMES[key] || key;
      a.append(kbd);
      b.textContent = text;
      row.append(a, b);
      return row;
    }));
}

function listen() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (e) => {
    const button = e.target.closest("button[data-key]");
    if (!button) return;
    touch();
    press(button.dataset.key);
    if (state.mode === "focus" && document.activeElement !== $("note")) $("view").focus();
  });
  $("mode").addEventListener("click", () => setMode(state.mode === "focus" ? "sheet" : "focus"));
  $("help-button").addEventListener("click", () => $("help").showModal());
  $("commit").addEventListener("click", commitSheet);
  $("view").addEventListener("pointermove", (e) => {
    const at = view.pixelAt(e);
    const i = at && at[1] * view.image.width + at[0];
    $("readout").textContent = at ? `x ${at[0]}  y ${at[1]}  ${view.image.mask[i] ? "masked" : `${+view.image.values[i].toPrecision(6)} counts`}` : "";
  });
  window.addEventListener("beforeunload", (e) => {
    if (outbox.pending.length) e.preventDefault();
  });
}

async function start() {
  session = await get("api/session");
  outbox = new Outbox(session.id, showLight);
  queue = new Queue(outbox);
  view = new View($("view"), showDisplay);
  sheet = new Sheet($("tiles"), queue, () => view.display);
  buildPage();
  await queue.load();
  listen();
  if (!outbox.pending.length) showLight("ok", "saved");
  events({
    job: showJob,
    queue: () => queue.load().then(refresh),
  }, (up) => {
    if (!outbox.pending.length) showLight(up ? "ok" : "bad", up ? "saved" : "connection lost");
  });
  $("view").focus();
  await refresh();
  document.body.dataset.ready = "1";
}

start().catch((error) => {
  showLight("bad", error.message);
  $("empty").hidden = false;
  $("empty").textContent = error.status === 403 || error.status === 401
    ? "This address has no valid token.\nOpen the address that scatterloop review printed."
    : `The page could not start: ${error.message}`;
});
