// Decisions on their way to disk. They leave in order, each with its own identity, and stay in the browser's storage
// until the program has confirmed that they are written; sending one twice is harmless.

import { post } from "./api.js";

const RETRY_MS = 1500;

export class Outbox {
  constructor(name, onState) {
    this.key = `scatterloop-outbox-${name}`;
    this.onState = onState;
    this.pending = JSON.parse(localStorage.getItem(this.key) || "[]");
    this.busy = false;
    if (this.pending.length) this.send();
  }

  add(decision) {
    this.pending.push(decision);
    this.keep();
    this.send();
  }

  keep() {
    localStorage.setItem(this.key, JSON.stringify(this.pending));
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    while (this.pending.length) {
      const batch = this.pending.slice(0, 100);
      this.onState("wait", `saving ${this.pending.length}`);
      try {
        const answer = await post("api/decisions", { decisions: batch });
        this.pending.splice(0, batch.length);
        this.keep();
        this.onState("ok", "saved", answer);
      } catch (error) {
        if (error.status >= 400 && error.status < 500) {
          // refused, not lost on the way: sending it again cannot help, and it must not block those behind it
          const refused = this.pending.splice(0, batch.length);
          this.keep();
          this.onState("bad", `refused: ${error.message}`, { refused });
          continue;
        }
        this.onState("bad", `not saved (${this.pending.length} waiting): ${error.message}`);
        await new Promise((resume) => setTimeout(resume, RETRY_MS));
      }
    }
    this.busy = false;
  }
}
