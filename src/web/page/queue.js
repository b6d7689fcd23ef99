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
    this.past = []; // groups of decisions of this session, for undo
    this.future = [];
  }

  async load() {
    const answer = await get("api/items");
    this.items = answer.items;
    this.reviewQueue = answer.queue;
    // decisions still in the outbox are newer than what the program has
    for (const d of this.outbox.pending) this.apply(d);
    const first = this.items.findIndex((item) => !item.decision);
    this.at = first < 0 ? this.items.length : first;
    // decisions of earlier visits can be undone too, newest first
    this.past = this.items.filter((i) => i.decision).sort((a, b) => a.decision.decided_at_ms - b.decision.decided_at_ms)
      .map((i) => [{ ...i.decision, assignment: i.assignment }]);
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

  // Scores may be shown once decided, so what was fetched before is not kept beyond a decision.
  detail(item) {
    const key = `${item.image}:${item.decision ? 1 : 0}`;
    if (!this.details.has(key)) {
      const detail = get(`api/images/${item.image}?assignment=${item.assignment}`);
      detail.catch(() => this.details.delete(key));
      this.details.set(key, detail);
    }
    return this.details.get(key);
  }

  prefetch() {
    for (let i = this.at; i < Math.min(this.items.length, this.at + PREFETCH); i++) {
      this.pixels(this.items[i]).catch(() => {});
      this.detail(this.items[i]).catch(() => {});
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
    const group = choices.map(({ item, label, reasons = [], note = "" }) => ({
      uuid: uuid(), assignment: item.assignment, label, reasons, note,
      supersedes: item.decision ? item.decision.uuid : null, decided_at_ms: Date.now(), ...context(item),
    }));
    this.record(group);
    this.past.push(group);
    this.future = [];
  }

  // The item that was decided last becomes undecided and current again. Returns false when there is nothing to undo.
  undo() {
    const group = this.past.pop();
    if (!group) return false;
    this.record(group.map((d) => ({
      uuid: uuid(), assignment: d.assignment, label: "withdrawn", reasons: [], note: "", supersedes: d.uuid,
      decided_at_ms: Date.now(),
    })));
    this.future.push(group);
    this.at = Math.max(0, this.indexOf(group[0].assignment));
    return true;
  }

  redo() {
    const group = this.future.pop();
    if (!group) return false;
    const again = group.map((d) => ({ ...d, uuid: uuid(), supersedes: null, decided_at_ms: Date.now() }));
    this.record(again);
    this.past.push(again);
    this.at = Math.max(0, this.indexOf(again[again.length - 1].assignment));
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
