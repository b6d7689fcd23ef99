// Decisions on their way to disk. They leave in order, each with its own identity, and stay in the browser's storage
// until the program has confirmed that they are written; sending one twice is harmless. Each has an entry of its own
// there, so that two tabs cannot overwrite each other's.

import { RETRY_MS, isLineError, post } from "./api.js";

const PREFIX = "scatterloop-outbox:";
const BATCH = 100;

// How many decisions wait in this browser, for whichever workspace.
export const waitingAnywhere = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)).length;

// Refused for what it says, not for who sends it or because of the line: sending it again cannot help.
const isRefusal = (error) => error.status >= 400 && error.status < 500 && !isLineError(error);

export class Outbox {
  // onState(kind, text, error): for the light. onRefused(decision, error): it will not be sent again.
  constructor(name, onState, onRefused) {
    this.prefix = `${PREFIX}${name}:`;
    this.onState = onState;
    this.onRefused = onRefused;
    this.keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix)).sort();
    this.pending = this.keys.map((key) => JSON.parse(localStorage.getItem(key)));
    this.added = 0;
    this.batch = BATCH;
    this.busy = false;
    this.waiters = [];
    if (this.pending.length) this.send();
  }

  add(decision) {
    const order = `${String(decision.decided_at_ms).padStart(15, "0")}-${String(this.added++).padStart(6, "0")}`;
    const key = `${this.prefix}${order}-${decision.uuid}`;
    this.pending.push(decision);
    this.keys.push(key);
    try {
      localStorage.setItem(key, JSON.stringify(decision));
    } catch {
      // storage is full or forbidden: it is sent all the same, only a crash of the browser could lose it
    }
    this.send();
  }

  // Resolves when everything has reached the program.
  settled() {
    return this.pending.length ? new Promise((resume) => this.waiters.push(resume)) : Promise.resolve();
  }

  drop(count) {
    this.pending.splice(0, count);
    for (const key of this.keys.splice(0, count)) localStorage.removeItem(key);
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    while (this.pending.length) await this.sendSome();
    this.busy = false;
    this.onState("ok", "saved");
    for (const resume of this.waiters.splice(0)) resume();
  }

  async sendSome() {
    const some = this.pending.slice(0, this.batch);
    this.onState("wait", `saving ${this.pending.length}`);
    try {
      await post("api/decisions", { decisions: some });
      this.drop(some.length);
    } catch (error) {
      if (!isRefusal(error)) {
        this.onState("bad", `${this.pending.length} not saved yet`, error);
        await new Promise((resume) => setTimeout(resume, RETRY_MS));
      } else if (some.length > 1) {
        this.batch = Math.ceil(some.length / 2); // all or none is written: find the one that is at fault
      } else {
        this.batch = BATCH;
        this.drop(1);
        this.onRefused(some[0], error);
      }
    }
  }
}
