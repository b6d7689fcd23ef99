// The review page: joins queue, view, sheet and keys.

import { RETRY_MS, events, get, isLineError } from "./api.js";
import { Outbox, waitingAnywhere } from "./outbox.js";
import { profile } from "./pixels.js";
import { curve, histogram } from "./plot.js";
import { Queue } from "./queue.js";
import { Scattering } from "./scattering.js";
import { Sheet } from "./sheet.js";
import { View } from "./view.js";

const REPEAT_GUARD_MS = 120; // a held key steps no faster than this
const BOUNCE_MS = 120; // the same deciding key again within this is one stroke of a worn switch
const LATE_MS = 200; // what is told of the last image does not stand beside the next for longer
const LONG = 160; // characters of a value that "where it comes from" shows
const IDLE_MS = 30000; // longer pauses do not count as time at work

const $ = (id) => document.getElementById(id);
const state = {
  mode: "focus",
  scattering: null, // of the image on screen, once its details are there
  onScreen: null, // the item whose image is painted: the only one that can be decided
  broken: null, // the item whose image cannot be painted
  shownAt: 0,
  activeMs: 0,
  workMs: 0,
  lastInput: 0,
  lastKey: "",
  lastKeyAt: 0,
  decidedHere: 0,
  overlay: false, // whether what the physical tests saw, and the generator was told, is drawn
};
let session, queue, view, sheet, outbox;

const KEYS = [
  ["j", "real", () => decide("real")],
  ["f", "unreal", () => decide("unreal")],
  [" ", "unsure", () => decide("unsure")],
  ["u", "undo, as far back as you like", () => queue.undo() && refresh()],
  ["Backspace", "undo, as far back as you like", () => queue.undo() && refresh()],
  ["U", "redo", () => queue.redo() && refresh()],
  ["k", "next without deciding", () => (queue.step(1), refresh())],
  ["d", "back without deciding", () => (queue.step(-1), refresh())],
  ["n", "note for this image", () => openNote()],
  ["l", "scale: log, asinh, sqrt, linear", () => view.cycle("scale")],
  ["c", "colour map", () => view.cycle("map")],
  ["[", "wider window", () => view.cycle("wider")],
  ["]", "narrower window", () => view.cycle("narrower")],
  ["m", "mask on or off", () => view.cycle("mask")],
  ["o", "over the image: what the physical tests saw, and dashed where the generator was told of rings, arcs and spots, orange where these do not stand", () => toggleOverlay()],
  ["z", "100 % or fit", () => view.cycle("zoom")],
  ["ArrowLeft", "pan", () => view.move(1, 0)],
  ["ArrowRight", "pan", () => view.move(-1, 0)],
  ["ArrowUp", "pan", () => view.move(0, 1)],
  ["ArrowDown", "pan", () => view.move(0, -1)],
  ["g", "contact sheet and back", () => setMode(state.mode === "focus" ? "sheet" : "focus")],
  ["?", "this list", () => $("help").showModal()],
];
const NAMES = { " ": "space", U: "⇧U", Backspace: "⌫", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

function touch() {
  const now = Date.now();
  const active = Math.min(IDLE_MS, now - state.lastInput);
  state.activeMs += active;
  state.workMs += active;
  state.lastInput = now;
}

function startClock() {
  state.shownAt = state.lastInput = Date.now();
  state.activeMs = 0;
}

// What the expert saw and when goes with each decision; the time at work is shared by those made together.
function record(choices) {
  touch();
  queue.decide(choices, {
    display: { ...view.display, zoom: view.zoomText(), mode: state.mode },
    shown_at_ms: state.shownAt,
    active_ms: Math.round(state.activeMs / choices.length),
  });
  state.decidedHere += choices.length;
}

function decide(label, reasons = []) {
  const item = queue.item;
  const seen = item && (state.onScreen === item || (state.broken === item && label === "unsure"));
  if (!seen) return;
  record([{ item, label, reasons, note: $("note").value }]);
  queue.next();
  refresh();
}

function openNote() {
  if (!queue.item) return;
  $("note-box").hidden = false;
  $("note").focus();
}

// A note stays with its image until it is decided; changing that of a decided image decides it again.
function closeNote(keep) {
  const item = queue.item;
  if (!item) return;
  const d = item.decision;
  if (!keep) $("note").value = d ? d.note : "";
  item.draft = $("note").value;
  if (d && d.note !== item.draft && state.onScreen === item) {
    record([{ item, label: d.label, reasons: d.reasons, note: item.draft }]);
    refresh();
  }
  $("note-box").hidden = !$("note").value;
  $("view").focus();
}

function showProgress() {
  const [done, all] = [queue.decided, queue.items.length];
  $("progress").max = all || 1;
  $("progress").value = done;
  $("progress-text").textContent = all ? `${done} of ${all} decided` : "";
  const minutes = state.workMs / 60000;
  $("pace").textContent = state.decidedHere > 4 ? `${(state.decidedHere / minutes).toFixed(0)} a minute` : "";
}

const nextFrame = () => new Promise((resume) => requestAnimationFrame(() => setTimeout(resume)));

async function refresh() {
  showProgress();
  if (state.mode === "sheet") {
    await sheet.show();
    if (state.mode === "sheet") startClock();
    return undefined;
  }
  queue.prefetch();
  const item = queue.item;
  $("empty").hidden = Boolean(item);
  $("focus").classList.toggle("nothing", !item);
  $("note").value = !item ? "" : item.decision ? item.decision.note : item.draft || "";
  $("note-box").hidden = !$("note").value;
  if (!item) return showEnd();
  try {
    const image = await queue.pixels(item);
    if (queue.item !== item || state.mode !== "focus") return undefined;
    showItem(item, image);
    await nextFrame(); // the image first, then what takes its time
    const late = setTimeout(() => queue.item === item && clearRail(), LATE_MS);
    const detail = await queue.detail(item).finally(() => clearTimeout(late));
    if (queue.item === item) showDetail(image, detail, item);
    if (queue.item === item) await showOverlay(item);
  } catch (error) {
    if (queue.item === item && state.onScreen !== item) showBroken(item, error);
  }
  return undefined;
}

function showItem(item, image) {
  const again = state.onScreen === item;
  view.show(image, again);
  if (!again) state.scattering = null;
  state.onScreen = item;
  state.broken = null;
  if (!again) startClock();
  queue.shown(item);
  Object.assign(document.body.dataset, { image: item.image, assignment: item.assignment }); // what is on screen, for tests
  $("prompt").textContent = item.prompt || "(no prompt)";
  $("state").textContent = placeText();
  const d = item.decision;
  $("stamp").hidden = !d;
  if (d) {
    $("stamp").textContent = d.label + (d.reasons.length ? `: ${d.reasons.map((r) => session.reasons[r - 1]).join(", ")}` : "");
    $("stamp").className = `stamp ${d.label}`;
  }
}

function showBroken(item, error) {
  clearStage();
  const line = isLineError(error);
  state.broken = line ? null : item;
  $("empty").hidden = false;
  $("empty").textContent = line
    ? "This image has not arrived: the program does not answer.\nIt is shown as soon as it does."
    : `This image cannot be shown: ${error.message}.\nK leaves it for later, space takes it as unsure.`;
  if (line) setTimeout(() => queue.item === item && state.onScreen !== item && refresh(), RETRY_MS);
}

function showEnd() {
  clearStage();
  delete document.body.dataset.assignment;
  $("empty").textContent = queue.items.length
    ? `All ${queue.items.length} images are decided.\nU takes the last one back; D goes through them again.`
    : "No images wait for review.\nscatterloop review --new 50 draws a queue at random; scatterloop round makes a whole round.";
}

const placeText = () => `${queue.at + 1} of ${queue.items.length}`;

// Without what needs the program's answer.
function clearRail() {
  for (const id of ["tests", "provenance"]) $(id).replaceChildren();
  curve($("profile"), [], [], "");
}

async function showOverlay(item) {
  const marks = state.overlay ? await queue.marks(item) : [];
  if (queue.item === item) view.overlay(marks);
  document.body.dataset.marks = marks.length; // for tests
}

function toggleOverlay() {
  state.overlay = !state.overlay;
  if (queue.item && state.onScreen === queue.item) showOverlay(queue.item).catch(() => {});
  showDisplay();
}

// Without an image there is nothing to tell.
function clearStage() {
  clearRail();
  for (const id of ["prompt", "state"]) $(id).replaceChildren();
  $("stamp").hidden = true;
  state.onScreen = null;
  view.show(null);
}

function showDetail(image, detail, item) {
  const known = detail.p_real !== null && detail.p_real !== undefined;
  // a decided image stays hidden when it comes again, to see whether the reviewer says the same
  const hidden = !detail.withheld ? "" : item.decision ? "hidden for now" : "hidden until you decide";
  const score = known ? `classifier: P(real) = ${detail.p_real.toFixed(3)}` : hidden && `score ${hidden}`;
  $("state").textContent = [placeText(), score].filter(Boolean).join(" · ");
  const s = (state.scattering = new Scattering(image, detail));
  const p = profile(image, s.centre);
  $("profile-title").textContent = s.geometry ? "I(q), azimuthal average" : "Azimuthal average";
  curve($("profile"), s.geometry ? p.radius.map((r) => s.q(r)) : p.radius, p.mean,
    s.geometry ? "q / nm⁻¹" : s.known ? "radius / px" : "radius from image centre / px");
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
  if (!(detail.tests || []).length) $("tests").textContent = hidden || "none recorded";
  $("provenance").replaceChildren(...Object.entries(detail.provenance || {}).flatMap(([k, v]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = k;
    const text = typeof v === "object" ? JSON.stringify(v) : String(v);
    dd.textContent = text.length > LONG ? `${text.slice(0, LONG)}…` : text;
    return [dt, dd];
  }));
}

function showDisplay() {
  const d = view.display;
  $("show-scale").textContent = `${d.scale} `;
  $("show-map").textContent = `${d.map} `;
  $("show-mask").textContent = `mask ${d.mask ? "on" : "off"} `;
  $("show-overlay").textContent = `tests ${state.overlay ? "drawn" : "not drawn"} `;
  $("show-zoom").textContent = `${view.zoomText()} `;
  for (const [id, key] of [["show-scale", "L"], ["show-map", "C"], ["show-mask", "M"], ["show-overlay", "O"], ["show-zoom", "Z"]]) {
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
  $("mode").title = mode === "focus" ? "Contact sheet (G)" : "One image (G)";
  state.onScreen = null;
  if (mode === "focus" && queue.item && queue.item.decision) queue.next();
  if (mode === "focus") $("view").focus();
  refresh();
  if (mode === "sheet") $("tiles").focus({ preventScroll: true });
}

function commitSheet() {
  const choices = sheet.choices();
  if (!choices.length) return;
  record(choices);
  queue.at = 0;
  if (queue.item && queue.item.decision) queue.next();
  refresh();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target === $("note")) {
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      closeNote(event.key === "Enter");
    }
    return;
  }
  const onButton = event.target instanceof HTMLButtonElement || event.target.tagName === "SUMMARY";
  if (onButton && (event.key === "Enter" || event.key === " ")) return;
  if (tooSoon(event)) {
    event.preventDefault();
    return;
  }
  touch();
  if (press(event.key)) event.preventDefault();
}

// Held keys step but never decide, and one stroke decides one image.
function tooSoon(event) {
  const now = performance.now();
  const since = now - state.lastKeyAt;
  const decides = /^([jf1-9 ]|Enter)$/i.test(event.key) && !(state.mode === "sheet" && event.key !== "Enter");
  if (event.repeat && (decides || since < REPEAT_GUARD_MS)) return true;
  if (decides && event.key === state.lastKey && since < BOUNCE_MS) return true;
  state.lastKey = event.key;
  state.lastKeyAt = now;
  return false;
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

function showLight(kind, text, error) {
  $("saved").className = `light ${kind}`;
  $("saved").textContent = text;
  if (kind === "ok") notice("");
  if (!error) return;
  const waiting = outbox.pending.length;
  notice(error.status === 401 || error.status === 403 ? startedAgain(waiting)
    : error.status === 0 ? `The program does not answer: ${count(waiting)} in this browser and will be sent when it does.`
    : `Not saved (${error.message}): ${count(waiting)} in this browser and will be sent again.`);
}

// A line across the page: what the reviewer must know or do. "" takes it away.
function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
}

const count = (n) => (n === 1 ? "1 decision waits" : `${n} decisions wait`);
const startedAgain = (waiting) => `The program was started again: open the address that it printed.${
  waiting ? ` ${count(waiting)} in this browser and will be sent then; nothing is lost.` : ""}`;

function showRefused(decision, error) {
  const text = `The decision "${decision.label}" was not taken: ${error.message}. The page shows what is stored.`;
  queue.load().then(refresh).then(() => notice(text));
}

// The live line went up or down.
async function showLine(up) {
  if (outbox.pending.length) return; // the outbox tells
  showLight(up ? "ok" : "bad", up ? "saved" : "no connection");
  if (up) return;
  try {
    await get("api/session");
  } catch (error) {
    if (error.status === 401) notice(startedAgain(0));
  }
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
  $("help-table").tBodies[0].replaceChildren(...helpRows());
}

// One row a meaning, with all keys that have it.
function helpRows() {
  const keysOf = new Map();
  const more = [["1–9", "unreal, with that reason"], ["Enter", "save the page (contact sheet)"], ["X", "leave undecided (contact sheet)"]];
  for (const [key, text] of [...KEYS, ...more])
    keysOf.set(text, [...(keysOf.get(text) || []), NAMES[key] || (key.length === 1 ? key.toUpperCase() : key)]);
  return [...keysOf].map(([text, keys]) => {
    const row = document.createElement("tr");
    const [a, b] = [document.createElement("td"), document.createElement("td")];
    a.append(...keys.flatMap((name) => {
      const kbd = document.createElement("kbd");
      kbd.textContent = name;
      return [kbd, " "];
    }));
    b.textContent = text;
    row.append(a, b);
    return row;
  });
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
    const value = at && (view.image.mask[i] ? "masked" : `${+view.image.values[i].toPrecision(6)} counts`);
    const place = at && state.scattering && state.scattering.placeText(at);
    $("readout").textContent = at ? [`x ${at[0]}  y ${at[1]}`, place, value].filter(Boolean).join("  ") : "";
  });
  $("note").addEventListener("input", () => queue.item && (queue.item.draft = $("note").value));
  window.addEventListener("beforeunload", (e) => {
    if (outbox.pending.length) e.preventDefault();
  });
}

async function start() {
  session = await get("api/session");
  outbox = new Outbox(session.id, showLight, showRefused);
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
  }, showLine);
  $("view").focus();
  await refresh();
  document.body.dataset.ready = "1";
}

start().catch((error) => {
  $("saved").className = "light bad";
  $("saved").textContent = error.status === 401 ? "no token" : "not started";
  $("empty").hidden = false;
  const waiting = waitingAnywhere();
  $("empty").textContent = error.status === 403 || error.status === 401
    ? `This address has no valid token.\nOpen the address that scatterloop review printed.${
      waiting ? `\n${count(waiting)} in this browser and will be sent then.` : ""}`
    : `The page could not start: ${error.message}`;
});
