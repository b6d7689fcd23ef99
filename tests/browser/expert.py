"""A reviewer at the keyboard who remembers every stroke: what the decision log must hold afterwards."""
import time

BOUNCE_S = 0.13  # the page takes the same deciding key twice within 0.12 s for one stroke

MEASURE = """() => {
  window.strokeTimes = [];
  let pressed = 0;
  addEventListener("keydown", (e) => { pressed = e.timeStamp; }, true);
  new MutationObserver(() => requestAnimationFrame(() => {
    const from = pressed;
    const channel = new MessageChannel();  // a task after the frame in which it was painted
    channel.port1.onmessage = () => strokeTimes.push(performance.now() - from);
    channel.port2.postMessage(0);
  })).observe(document.body, { attributes: true, attributeFilter: ["data-assignment"] });
}"""


class Expert:
    def __init__(self, page):
        self.page = page
        self.log = []  # (assignment, label, reasons, note) in the order in which they were made
        self.now = {}  # assignment -> (label, reasons, note)
        self.past, self.future = [], []  # groups of (assignment, before, after)
        self.last = (None, 0.0)

    @property
    def at(self):
        """The assignment whose image is on screen; None when there is none."""
        text = self.page.evaluate("document.body.dataset.assignment || ''")
        return int(text) if text else None

    def wait_for(self, script, argument=None, timeout_s=15):
        self.page.wait_for_function(script, arg=argument, timeout=1000 * timeout_s)

    def wait_at(self, assignment):
        self.wait_for("(a) => document.body.dataset.assignment === String(a)", assignment)

    def wait_away(self, assignment):
        self.wait_for("(a) => document.body.dataset.assignment !== String(a)", assignment)

    def wait_saved(self):
        self.wait_for("() => document.getElementById('saved').textContent === 'saved'")

    def press(self, key):
        if key == self.last[0]:
            time.sleep(max(0.0, BOUNCE_S - (time.monotonic() - self.last[1])))
        self.page.keyboard.press(key)
        self.last = (key, time.monotonic())

    def enter(self, changes):
        """Write down a group of changes {assignment: (label, reasons, note)} made together."""
        self.past.append([(a, self.now.get(a), after) for a, after in changes.items()])
        self.future = []
        for a, after in changes.items():
            self.log.append((a, *after))
            self.now[a] = after

    def decide(self, key, note=""):
        a = self.at
        label, reasons = {"j": ("real", 0), "f": ("unreal", 0), "Space": ("unsure", 0)}.get(
            key, ("unreal", 1 << (int(key) - 1) if key.isdigit() else 0))
        self.press(key)
        self.enter({a: (label, reasons, note)})
        self.wait_away(a)

    def undo(self, wait=True):
        group = self.past.pop()
        self.press("u")
        for a, before, _ in group:
            self.log.append((a, *(before or ("withdrawn", 0, ""))))
            if before:
                self.now[a] = before
            else:
                del self.now[a]
        self.future.append(group)
        if wait:
            self.wait_at(group[0][0])

    def redo(self, wait=True):
        group = self.future.pop()
        here = self.at if wait else None
        self.press("Shift+U")
        for a, _, after in group:
            self.log.append((a, *after))
            self.now[a] = after
        self.past.append(group)
        if wait and here in [a for a, _, _ in group]:
            self.wait_away(here)
