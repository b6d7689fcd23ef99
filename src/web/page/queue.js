// The review queue as this page knows it: items in order, their decisions, prefetched pixels, undo and redo.

import { get, getBuffer } from "./api.js";
import { parse } from "./pixels.js";

const PREFETCH = 8;
const KEEP = 64; // pixel blocks held in memory

export const uuid = () =>
  crypto.randomUUID ? crypto.randomUUID() : "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) =>
    (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16));

export class Queue {
  constructor(outbox) {
    this.outbox = outbox;
    this.items = [];
    this.at = 0;
    this.blocks = new Map(); // image id -> promise of pixels
    this.details = new Map();
    this.past = []; // for undo: groups of {before, after}, the decisions of an image
    this.future = [];
  }

  async load() {
    const unsent = [...this.outbox.pending];
    const answer = await get("api/items");
    this.items = answer.items;
    for (const item of this.items) if (item.decision) item.decision.assignment = item.assignment;
    // what was still on its way when we asked is newer than the answer
    for (const d of [...unsent, ...this.outbox.pending]) this.apply(d);
    const first = this.items.findIndex((item) => !item.decision);
    this.at = first < 0 ? this.items.length : first;
    this.past = this.groups();
    this.future = [];
  }

  // Decisions of earlier visits can be undone too, newest first; those of one page of a sheet together.
  groups() {
    const steps = new Map();
    const decided = this.items.map((i) => i.decision).filter(Boolean).sort((a, b) => a.decided_at_ms - b.decided_at_ms);
    for (const after of decided) {
      const name = after.batch || after.uuid;
      steps.set(name, [...(steps.get(name) || []), { before: null, after }]);
    }
    return [...steps.values()];
  }

  get item() {
    return this.items[this.at];
  }

  get decided() {
    return this.items.reduce((n, i) => n + (i.decision ? 1 : 0), 0);
  }

  pixels(item) {
    if (!this.blocks.has(item.image)) {
      const block = getBuffer(`api/images/${item.image}/pixels`).then(parse);
      block.catch(() => this.blocks.delete(item.image));
      this.blocks.set(item.image, block);
      for (const id of this.blocks.keys()) {
        if (this.blocks.size <= KEEP) break;
        this.blocks.delete(id);
      }
    }
    return this.blocks.get(item.image);
  }

  // Scores may be shown once decided: what was fetched before is not kept beyond a decision, and what is asked for
  // after it waits until the program knows the decision.
  detail(item) {
    const key = `${item.image}:${item.decision ? item.decision.uuid : ""}`;
    if (!this.details.has(key)) {
      const detail = this.outbox.settled().then(() => get(`api/images/${item.image}`));
      detail.catch(() => this.details.delete(key));
      this.details.set(key, detail);
    }
    return this.details.get(key);
  }

  // What the physical tests saw on the image, and the generator was told of it; nothing while it waits blind.
  async marks(item) {
    await this.outbox.settled();
    return (await get(`api/images/${item.image}/marks`)).marks;
  }

  // The image is on screen: the program notes when each was first shown.
  shown(item) {
    if (item.told) return;
    item.told = true;
    get(`api/images/${item.image}?assignment=${item.assignment}`).catch(() => {});
  }

  // What deciding and stepping lead to next.
  prefetch() {
    const near = [this.at, this.at + 1, this.at - 1].map((i) => this.items[i]);
    const open = [...this.items.slice(this.at + 1), ...this.items.slice(0, this.at)].filter((i) => !i.decision);
    for (const item of [...near, ...open.slice(0, PREFETCH)].filter(Boolean)) {
      this.pixels(item).catch(() => {});
      this.detail(item).catch(() => {});
    }
  }

  indexOf(assignment) {
    return this.items.findIndex((i) => i.assignment === assignment);
  }

  // Put a decision into the items; "withdrawn" makes the item undecided again.
  apply(decision) {
    const item = this.items[this.indexOf(decision.assignment)];
    if (item) item.decision = decision.label === "withdrawn" ? null : decision;
  }

  record(decisions) {
    for (const d of decisions) {
      this.apply(d);
      this.outbox.add(d);
    }
  }

  // decide([{item, label, reasons, note}], context): one group, undone together.
  decide(choices, context) {
    const batch = choices.length > 1 ? uuid() : null;
    const group = choices.map(({ item, label, reasons = [], note = "" }) => ({
      before: item.decision,
      after: this.renew({ assignment: item.assignment, label, reasons, note, batch, ...context }),
    }));
    this.record(group.map((step) => step.after));
    this.past.push(group);
    this.future = [];
  }

  // The decision as the newest word on its image.
  renew(decision) {
    const item = this.items[this.indexOf(decision.assignment)];
    const supersedes = item && item.decision ? item.decision.uuid : null;
    return { ...decision, uuid: uuid(), supersedes, decided_at_ms: Date.now() };
  }

  // What was decided last is as it was before, and current again. Returns false when there is nothing to undo.
  undo() {
    const group = this.past.pop();
    if (!group) return false;
    const nothing = { label: "withdrawn", reasons: [], note: "" };
    this.record(group.map(({ before, after }) => this.renew(before || { ...nothing, assignment: after.assignment })));
    this.future.push(group);
    this.at = Math.max(0, this.indexOf(group[0].after.assignment));
    return true;
  }

  redo() {
    const group = this.future.pop();
    if (!group) return false;
    this.record(group.map(({ after }) => this.renew(after)));
    this.past.push(group);
    this.at = Math.max(0, this.indexOf(group[group.length - 1].after.assignment));
    this.next();
    return true;
  }

  // To the next undecided item, round the end if need be; to the end when all are decided.
  next() {
    const n = this.items.length;
    for (let step = 1; step <= n; step++) {
      const i = (this.at + step) % n;
      if (!this.items[i].decision) {
        this.at = i;
        return;
      }
    }
    this.at = n;
  }

  step(by) {
    this.at = Math.max(0, Math.min(this.items.length - 1, this.at + by));
  }
}
