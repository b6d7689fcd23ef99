// Contact sheet: a page of undecided images, all taken as real unless marked, saved as one group.

import { paint } from "./view.js";

const PER_PAGE = 24;
const NEXT = { real: "unreal", unreal: "unsure", unsure: "skip", skip: "real" };

export class Sheet {
  constructor(box, queue, getDisplay) {
    this.box = box;
    this.queue = queue;
    this.getDisplay = getDisplay;
    this.tiles = [];
    this.at = 0;
  }

  async show() {
    const items = this.queue.items.filter((i) => !i.decision).slice(0, PER_PAGE);
    this.at = 0;
    this.box.removeAttribute("aria-activedescendant");
    this.tiles = items.map((item, index) => this.tile(item, index));
    this.box.replaceChildren(...this.tiles.map((t) => t.element));
    if (!items.length) this.box.textContent = "Nothing is left to decide.";
    this.box.parentElement.classList.toggle("nothing", !items.length);
    this.mark();
    await Promise.all(this.tiles.map((t) => this.draw(t)));
  }

  tile(item, index) {
    const element = document.createElement("div");
    element.className = "tile";
    element.setAttribute("role", "option");
    element.id = `tile-${index}`;
    const canvas = document.createElement("canvas");
    const label = document.createElement("span");
    element.append(canvas, label);
    const tile = { item, element, canvas, label, verdict: "real", seen: false };
    element.addEventListener("click", () => {
      this.at = index;
      this.set(tile, NEXT[tile.verdict]);
    });
    return tile;
  }

  async draw(tile) {
    try {
      const image = await this.queue.pixels(tile.item);
      tile.canvas.width = image.width;
      tile.canvas.height = image.height;
      tile.canvas.getContext("2d").putImageData(paint(image, this.getDisplay()), 0, 0);
      // like the large view: averaged when smaller than measured, sharp squares when larger
      tile.canvas.className = Math.max(image.width, image.height) < tile.element.clientWidth * devicePixelRatio ? "larger" : "";
      if (!tile.seen) this.queue.shown(tile.item);
      tile.seen = true;
    } catch (error) {
      this.set(tile, "skip");
      tile.label.textContent = error.message;
    }
  }

  set(tile, verdict) {
    tile.verdict = verdict;
    this.mark();
  }

  mark() {
    this.tiles.forEach((t, i) => {
      t.element.className = `tile ${t.verdict}${i === this.at ? " at" : ""}`;
      t.element.setAttribute("aria-selected", String(i === this.at));
      t.element.setAttribute("aria-label", `${t.verdict}: ${t.item.prompt || "no prompt"}`);
      t.label.textContent = [t.verdict, t.item.prompt].filter(Boolean).join(" · ");
    });
    const here = this.tiles[this.at];
    if (!here) return;
    this.box.setAttribute("aria-activedescendant", here.element.id);
    here.element.scrollIntoView({ block: "nearest" });
  }

  columns() {
    return getComputedStyle(this.box).gridTemplateColumns.split(" ").length;
  }

  // Returns true when the key was used.
  key(key) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() };
    const here = this.tiles[this.at];
    if (key in moves) {
      this.at = Math.max(0, Math.min(this.tiles.length - 1, this.at + moves[key]));
      this.mark();
      return true;
    }
    const verdicts = { j: "real", f: "unreal", " ": "unsure", x: "skip" };
    if (here && key in verdicts) {
      this.set(here, here.verdict === verdicts[key] && key !== "j" ? "real" : verdicts[key]);
      return true;
    }
    return false;
  }

  // What Enter saves: nothing before every image of the page has been on screen.
  choices() {
    const wanted = this.tiles.filter((t) => t.verdict !== "skip");
    return wanted.every((t) => t.seen) ? wanted.map((t) => ({ item: t.item, label: t.verdict })) : [];
  }
}
