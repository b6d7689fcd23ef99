"""The review page in a real browser, by keys alone: test_review.py PROGRAM

One line a check. What the keys decided is compared with the decision log of the workspace: each exactly once."""
import json
import os
import pathlib
import random
import sys
import tempfile
import time

SKIP = 77
VENV_PYTHON = pathlib.Path(__file__).resolve().parents[2] / ".deps/venv-test/bin/python"
CHROMIUM = pathlib.Path("/usr/bin/chromium")
IMAGES, SIDE_PX, QUEUE = 40, 256, 96

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    if VENV_PYTHON.exists() and pathlib.Path(sys.prefix).name != "venv-test":
        os.execv(VENV_PYTHON, [VENV_PYTHON, "-B", *sys.argv])
    print("skipped: no playwright in .deps/venv-test (./run test makes it)")
    sys.exit(SKIP)
if not CHROMIUM.exists():
    print(f"skipped: no browser at {CHROMIUM} (Debian's package chromium)")
    sys.exit(SKIP)

from expert import MEASURE, Expert  # noqa: E402
from program import Program, new_uuid  # noqa: E402

counts = {"PASSED": 0, "FAILED": 0}


def check(what, is_true, found=""):
    counts["PASSED" if is_true else "FAILED"] += 1
    print(f"{'ok  ' if is_true else 'FAIL'} {what}{f': {found}' if found != '' else ''}", flush=True)


def is_blind(k):
    return k % 2 == 0 and k not in (IMAGES, 2 * IMAGES)  # the first image comes again with everything shown


class Watch:
    """What the browser does behind the page: requests, console, answers about images."""

    def __init__(self, context):
        self.hosts, self.errors = set(), []
        self.outage = False  # while the program is down, failing requests are what must be seen
        context.on("request", lambda r: self.hosts.add(r.url.split("/")[2] if r.url.startswith("http") else r.url[:40]))
        context.on("console", self.on_console)
        context.on("weberror", lambda e: self.errors.append(str(e.error)))

    def on_console(self, message):
        if message.type not in ("error", "warning"):
            return
        if not (self.outage and "Failed to load resource" in message.text):
            self.errors.append(message.text)


def refusals(program):
    good = {"Cookie": program.cookie, "Content_Type": "application/json", "X_Scatterloop": "1"}
    body = json.dumps({"decisions": [{"uuid": new_uuid(), "assignment": "1", "label": "real", "reasons": []}]})

    def without(name, **other):
        return {k: v for k, v in good.items() if k != name} | other

    bad = [
        ("a wrong token opens nothing", 401, "GET", "/api/items?token=" + "0" * 64, without("Cookie")),
        ("no token, no answer", 401, "GET", "/api/items", {}),
        ("another Host header is refused", 403, "GET", "/api/items", without("", Host="evil.example:80")),
        ("another Host header gets no page either", 403, "GET", "/", {"Host": "evil.example"}),
        ("a change without our header is refused", 403, "POST", "/api/decisions", without("X_Scatterloop")),
        ("a change that is no JSON is refused", 403, "POST", "/api/decisions", without("Content_Type")),
        ("a change from another origin is refused", 403, "POST", "/api/decisions",
         without("", Origin="http://evil.example")),
        ("a change without token is refused", 401, "POST", "/api/decisions", without("Cookie")),
    ]
    for what, expected, method, path, headers in bad:
        status, answer = program.ask(method, path, body if method == "POST" else None, **headers)
        check(what, status == expected and "Set-Cookie" not in answer, status)
    check("none of them wrote anything", program.decisions() == [])
    status, answer = program.ask("GET", "/", **{"Cookie": program.cookie})
    check("the page's policy is to load nothing from elsewhere",
          "default-src 'none'" in answer.get("Content-Security-Policy", ""), status)


NATIVE = """async () => {
  // the page is at fit = 4x, gray, linear, whole window: levels from the served values, without the page's own code
  const id = document.body.dataset.image;
  const buffer = await (await fetch(`api/images/${id}/pixels`)).arrayBuffer();
  const [, w, h] = new Uint32Array(buffer, 0, 4);
  const values = new Float32Array(buffer, 16, w * h), mask = new Uint8Array(buffer, 16 + 4 * w * h, w * h);
  let low = Infinity, high = -Infinity;
  values.forEach((v, i) => { if (!mask[i]) { low = Math.min(low, v); high = Math.max(high, v); } });
  const canvas = document.getElementById("view");
  const [x0, y0] = [Math.round((canvas.width - 4 * w) / 2), Math.round((canvas.height - 4 * h) / 2)];
  const seen = canvas.getContext("2d").getImageData(x0, y0, 4 * w, 4 * h).data;
  let wrong = 0, levels = new Set();
  for (let y = 0; y < 4 * h; y++) for (let x = 0; x < 4 * w; x++) {
    const i = (y >> 2) * w + (x >> 2), level = seen[4 * (y * 4 * w + x)];
    if (mask[i]) continue;
    levels.add(level);
    wrong += Math.abs(level - 255 * (values[i] - low) / (high - low)) > 0.51;
  }
  return { wrong, pixels: 16 * w * h, levels: levels.size };
}"""


def display_keys(expert):
    page = expert.page
    text = lambda name: page.inner_text(f"#{name}")  # noqa: E731
    check("an image of 256 pixels fits at 4x", "fit 400 %" in text("show-zoom"), text("show-zoom"))
    scales = [text("show-scale").split()[0]]
    for _ in range(4):
        expert.press("l")
        scales.append(text("show-scale").split()[0])
    check("L goes round the scales", scales == ["log", "asinh", "sqrt", "linear", "log"], " ".join(scales))
    maps = [text("show-map").split()[0]]
    for _ in range(5):
        expert.press("c")
        maps.append(text("show-map").split()[0])
    check("C goes round the maps", len(set(maps)) == 5 and maps[0] == maps[-1], " ".join(maps))
    before = text("window")
    expert.press("]")
    narrower = text("window")
    expert.press("[")
    check("] and [ change the window", narrower != before and text("window") == before, narrower)
    expert.press("m")
    off = text("show-mask")
    expert.press("m")
    check("M switches the mask", off.startswith("mask off") and text("show-mask").startswith("mask on"))
    expert.press("z")
    at_100 = text("show-zoom")
    expert.press("ArrowLeft")
    expert.press("z")
    check("Z goes to 100 % and back", at_100.startswith("100 %") and text("show-zoom").startswith("fit"))
    for key in "lllcccc[[":  # linear, gray, whole window
        expert.press(key)
    found = page.evaluate(NATIVE)
    check("every pixel at 4x is a square of its own value", found["wrong"] == 0 and found["levels"] > 8, found)
    for key in "lc]]":
        expert.press(key)
    check("none of these keys decides", expert.at == 1 and not page.is_visible("#stamp"))


MARKS = """async () => {
  const answer = await (await fetch(`api/images/${document.body.dataset.image}/marks`)).json();
  return { withheld: answer.withheld, marks: answer.marks.length };
}"""


def seen_score(page):
    return "P(real)" in page.inner_text("#state") or "noise statistics" in page.inner_text("#tests")


def read_out(page):
    """What the page says of the pixel under the pointer."""
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2)
    said = page.inner_text("#readout")
    page.mouse.move(1, 1)
    return said


def blindness(expert, program):
    page = expert.page
    page.wait_for_function("() => document.getElementById('tests').textContent")
    check("a blind image shows neither score nor test", not seen_score(page), page.inner_text("#state"))
    check("nor where the beam is", read_out(page).startswith("x ") and " r " not in read_out(page), read_out(page))
    first = expert.at
    answer = page.evaluate("async (a) => (await fetch(`api/images/${document.body.dataset.image}?assignment=${a}`)).json()",
                           first)
    told = json.dumps(answer)
    check("nor does the answer behind it", answer["p_real"] is None and answer["tests"] == [] and "artefact" not in told
          and "simulated" not in told)
    expert.press("o")
    check("O says that it draws, and draws nothing over a blind image",
          page.inner_text("#show-overlay").startswith("tests drawn") and page.evaluate(MARKS) == {"withheld": True, "marks": 0})
    expert.press("o")
    expert.decide("j")
    second = expert.at
    page.wait_for_function("() => document.getElementById('tests').textContent")
    for _ in range(2):
        expert.press("k")
    expert.wait_at(4)
    expert.press("d")
    expert.wait_at(3)
    expert.decide("j")
    expert.press("d")
    expert.wait_at(3)
    expert.wait_for("() => document.getElementById('tests').textContent.includes('for now')")
    check("an image that will come again blind stays hidden when decided", not seen_score(page))
    expert.undo()
    expert.press("d")
    expert.wait_at(second)
    expert.wait_for("() => document.getElementById('tests').textContent.includes('noise')")
    check("one that is not blind shows both", seen_score(page), page.inner_text("#state"))
    check("the pointer reads radius and momentum transfer", " r " in read_out(page) and " nm⁻¹ " in read_out(page)
          and page.inner_text("#profile-title") == "I(q), azimuthal average", read_out(page))
    seen = page.evaluate(MARKS)
    expert.press("o")
    expert.wait_for("(n) => Number(document.body.dataset.marks) === n", seen["marks"])
    check("and what the tests saw on it", not seen["withheld"], f"{seen['marks']} marks")
    expert.press("o")
    expert.press("d")
    expert.wait_at(first)
    expert.wait_for("() => document.getElementById('tests').textContent.includes('noise')")
    check("after the decision they are shown", seen_score(page))
    expert.undo()
    expert.wait_for("() => document.getElementById('tests').textContent.includes('until')")
    check("taken back, they are hidden again", not seen_score(page))
    expert.press("k")
    expert.wait_at(second)
    expert.press("d")
    expert.wait_at(first)


def every_key(expert):
    page = expert.page
    for key in ["j", "f", "Space", "1", "2", "3", "4", "5", "6", "7", "8", "9"]:
        expert.decide(key)
    page.keyboard.press("n")
    page.keyboard.type("jets? 9 u")  # letters in a note decide nothing
    page.keyboard.press("Enter")
    expert.decide("f", note="jets? 9 u")
    made = len(expert.past)
    for _ in range(made):
        expert.undo()
    check("undo goes back to the start", expert.now == {} and expert.at == 1, f"{made} taken back")
    for _ in range(made):
        expert.redo()
    here = expert.at
    for _ in range(3):
        expert.press("d")
    expert.wait_at(here - 3)
    expert.press("k")
    expert.wait_at(here - 2)
    decided_before = dict(expert.now)
    expert.decide("j")  # another mind about a decided one
    expert.wait_at(here)
    expert.undo()
    check("undo of a change of mind brings back what was", expert.now == decided_before,
          page.inner_text("#stamp"))
    for _ in range(2):
        expert.press("k")
    expert.wait_at(here)


def held_key(expert):
    """The browser's own auto-repeat: one decision, however long it is held."""
    page, a = expert.page, expert.at
    page.keyboard.down("j")
    for _ in range(8):
        page.wait_for_timeout(30)
        page.keyboard.down("j")  # a second 'down' is a repeat
    page.keyboard.up("j")
    expert.enter({a: ("real", 0, "")})
    expert.wait_at(a + 1)
    page.wait_for_timeout(150)
    check("a key held down decides one image", expert.at == a + 1)


def matches(expert, program, when):
    expert.wait_saved()
    found = program.decisions()
    standing = program.standing()
    check(f"log and database agree, each decision once ({when})", found == expert.log and standing == expert.now,
          f"{len(expert.log)} strokes" if found == expert.log else
          f"{len(found)} rows, {len(expert.log)} strokes; first difference "
          f"{next(((a, b) for a, b in zip(found, expert.log) if a != b), 'at the end')}")


def sustained(expert, decisions):
    page = expert.page
    page.evaluate("() => { strokeTimes.length = 0; }")
    started = time.monotonic()
    random_keys = random.Random(1)
    for _ in range(decisions):
        expert.decide(random_keys.choice(["j", "f", "Space", "1", "5", "9"]))
    minutes = (time.monotonic() - started) / 60
    page.wait_for_timeout(50)
    times = sorted(page.evaluate("strokeTimes"))
    p95 = times[int(0.95 * (len(times) - 1))]
    check("60 decisions a minute and more", decisions / minutes >= 60, f"{decisions / minutes:.0f} a minute")
    check("key to next image painted, p95 under 400 ms (target 50)", len(times) >= decisions and p95 < 400,
          f"median {times[len(times) // 2]:.0f} ms, p95 {p95:.0f} ms, most {times[-1]:.0f} ms")


def random_walk(expert, steps):
    walk = random.Random(7)
    for _ in range(steps):
        move = walk.choice(["decide", "decide", "undo", "redo", "back"])
        if move == "undo" and expert.past:
            expert.undo()
        elif move == "redo" and expert.future:
            expert.redo()
        elif move == "back" and expert.at > 1:
            here = expert.at
            expert.press("d")
            expert.wait_at(here - 1)
        elif move == "decide":
            expert.decide(walk.choice(["j", "f", "Space", "3"]))


def reload_in_the_middle(expert):
    page = expert.page
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.evaluate(MEASURE)
    first_open = min(a for a in range(1, QUEUE + 1) if a not in expert.now)
    check("after a reload the first open image comes", expert.at == first_open, expert.at)
    # the page knows what counts, not how it came about: one step of undo an image, newest first
    newest = {a: i for i, (a, *_) in enumerate(expert.log)}
    order = sorted(expert.now, key=lambda a: newest[a])
    expert.past = [[(a, None, expert.now[a])] for a in order]
    expert.future = []
    for _ in range(2):
        expert.undo()
    check("and undo goes on where it was", True)
    for _ in range(2):
        expert.redo()


def contact_sheet(expert):
    page = expert.page
    expert.press("g")
    expert.wait_for("() => document.querySelectorAll('.tile').length === 24")
    open_ones = [a for a in range(1, QUEUE + 1) if a not in expert.now][:24]
    columns = page.evaluate("getComputedStyle(document.getElementById('tiles')).gridTemplateColumns.split(' ').length")
    for key in ["ArrowRight", "f", "ArrowDown", "Space", "ArrowRight", "x"]:
        expert.press(key)
    marks = {1: "unreal", 1 + columns: "unsure"}
    expert.wait_for("() => [...document.querySelectorAll('.tile canvas')].every((c) => c.width === 256)")
    expert.press("Enter")
    expert.enter({a: (marks.get(i, "real"), 0, "") for i, a in enumerate(open_ones) if i != 2 + columns})
    expert.wait_for("(n) => document.getElementById('progress-text').textContent.startsWith(`${n} of`)", len(expert.now))
    return open_ones


def undo_page(expert):
    expert.undo(wait=False)
    expert.wait_for("(n) => document.getElementById('progress-text').textContent.startsWith(`${n} of`)", len(expert.now))
    check("U takes the whole page back", len(expert.now) > 0)
    expert.redo(wait=False)
    expert.wait_for("(n) => document.getElementById('progress-text').textContent.startsWith(`${n} of`)", len(expert.now))
    expert.press("g")
    expert.wait_for("() => !document.getElementById('focus').hidden && document.body.dataset.assignment")


def killed_in_the_middle(expert, program, watch):
    page = expert.page
    expert.wait_saved()
    port, token = program.host, program.token
    watch.outage = True
    program.kill()
    stored = program.decisions()
    check("kill -9 lost nothing that was saved", stored == expert.log, f"{len(stored)} rows")
    for key in "jf2":
        expert.decide(key)
    expert.wait_for("() => document.getElementById('notice').textContent.includes('3 decisions wait')")
    check("the page says that it is cut off and what waits", "does not answer" in page.inner_text("#notice"),
          page.inner_text("#notice"))
    program.start()
    check("the program comes back at the same port with another token", program.host == port and program.token != token,
          program.host)
    expert.wait_for("() => document.getElementById('notice').textContent.includes('started again')")
    check("the page asks for the new address", "nothing is lost" in page.inner_text("#notice"), page.inner_text("#notice"))
    check("nothing entered without the new token", program.decisions() == stored)
    other = page.context.new_page()
    other.goto(f"http://{program.host}/")
    other.wait_for_selector("#empty:not([hidden])")
    check("without token the page tells of what waits", "3 decisions wait" in other.inner_text("#empty"))
    other.close()
    page.goto(program.address)
    page.wait_for_selector("body[data-ready]")
    page.evaluate(MEASURE)
    matches(expert, program, "after kill -9, new token, new address")
    watch.outage = False


def second_tab(expert, program, watch):
    """The old tab still holds what the new one sends: both do, and it is stored once."""
    page = expert.page
    page.wait_for_timeout(1000)  # what is fetched ahead arrives
    watch.outage = True
    program.kill()
    for key in "f4":
        expert.decide(key)
    program.start()
    other = page.context.new_page()
    other.goto(program.address)
    other.wait_for_selector("body[data-ready]")
    expert.wait_saved()
    matches(expert, program, "two tabs sent the same")
    check("nothing is left to send", page.evaluate("Object.keys(localStorage).length") == 0)
    page.wait_for_timeout(3500)  # the live line opens again by itself
    check("the old tab is in order again", page.inner_text("#saved") == "saved" and not page.is_visible("#notice"))
    other.close()
    watch.outage = False


def late_pixels(expert):
    """An image that has not arrived cannot be decided; it is shown when it does."""
    page, start = expert.page, expert.at
    page.route("**/pixels", lambda route: route.abort())
    for _ in range(12):
        expert.press("k")
    page.wait_for_selector("#empty:not([hidden])")
    before = len(expert.log)
    expert.press("j")
    expert.press("Space")
    page.unroute("**/pixels")
    expert.wait_for("() => document.getElementById('empty').hidden")
    check("an image not yet there cannot be decided, and comes by itself", len(expert.log) == before and expert.at > start)


def large_batch(expert):
    """More than a browser lets a request outlive its page with."""
    answer = expert.page.evaluate("""async () => (await import("./api.js"))
      .post("api/decisions", { decisions: [], room: "x".repeat(200000) })""")
    check("a long list of decisions is sent too", answer["saved"] is True)


def refused(expert, program):
    """One bad decision among many neither stops nor takes with it the others."""
    page = expert.page
    page.evaluate("""(uuid) => fetch("api/session").then((r) => r.json()).then((s) => localStorage.setItem(
      `scatterloop-outbox:${s.id}:000000000000001-000000-${uuid}`,
      JSON.stringify({ uuid, assignment: "99999", label: "real", reasons: [], decided_at_ms: 1 })))""", new_uuid())
    for i, label in enumerate(["real", "unreal"]):
        a = min(a for a in range(1, QUEUE + 1) if a not in expert.now)
        page.evaluate("""([uuid, a, label, i]) => fetch("api/session").then((r) => r.json()).then((s) => localStorage.setItem(
          `scatterloop-outbox:${s.id}:00000000000000${2 + i}-000000-${uuid}`,
          JSON.stringify({ uuid, assignment: String(a), label, reasons: [], decided_at_ms: Date.now() })))""",
                      [new_uuid(), a, label, i])
        expert.enter({a: (label, 0, "")})
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#notice:not([hidden])")
    check("a refused decision is told", "not taken" in page.inner_text("#notice"), page.inner_text("#notice"))
    matches(expert, program, "one of three refused")


def by_keyboard(page):
    names = page.evaluate("""() => [...document.querySelectorAll("button, input, summary, [role], progress, canvas[tabindex]")]
      .filter((e) => e.checkVisibility())
      .map((e) => [e.tagName, e.id, (e.getAttribute("aria-label") || e.title || e.textContent || (e.labels && e.labels[0]
        ? e.labels[0].textContent : "")).trim()])""")
    unnamed = [n for n in names if not n[2]]
    check("everything that can be used has a name", len(names) > 20 and not unnamed, unnamed or len(names))
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        mark = page.evaluate("document.activeElement.outerHTML.slice(0, 90)")
        if mark in reached:
            break
        reached.add(mark)
    buttons = page.evaluate("""() => [...document.querySelectorAll("button, summary")].filter((e) => e.checkVisibility())
      .map((e) => e.outerHTML.slice(0, 90))""")
    missing = [b for b in buttons if b not in reached]
    check("every button is reached by Tab", not missing, missing or f"{len(buttons)} buttons")
    page.keyboard.press("?")
    check("? shows the keys", page.is_visible("#help"))
    page.keyboard.press("j")  # decides nothing while the list is open
    page.keyboard.press("Escape")
    check("Esc closes them", not page.is_visible("#help"))
    page.click("#help-button")
    page.click("#help button")
    check("so does the button", not page.is_visible("#help"))
    check("the page has a language, a title and a heading",
          page.evaluate("Boolean(document.documentElement.lang && document.title && document.querySelector('h1'))"))


def the_rest(expert, program):
    page = expert.page
    expert.press("g")
    while len(expert.now) < QUEUE:
        expert.wait_for("() => document.querySelector('.tile canvas')")
        todo = [a for a in range(1, QUEUE + 1) if a not in expert.now][:24]
        expert.wait_for("(n) => document.querySelectorAll('.tile canvas').length === n &&"
                        " [...document.querySelectorAll('.tile canvas')].every((c) => c.width === 256)", len(todo))
        expert.press("Enter")
        expert.enter({a: ("real", 0, "") for a in todo})
        expert.wait_for("(n) => document.getElementById('progress-text').textContent.startsWith(`${n} of`)",
                        len(expert.now))
    expert.press("g")
    page.wait_for_selector("#empty:not([hidden])")
    check("the end is told", f"All {QUEUE} images are decided" in page.inner_text("#empty"))
    expert.press("j")
    expert.press("d")
    expert.wait_at(QUEUE)
    expert.press("u")
    group = expert.past.pop()
    for a, _, _ in group:
        expert.log.append((a, "withdrawn", 0, ""))
        del expert.now[a]
    expert.wait_at(group[0][0])
    matches(expert, program, "at the end")
    times = program.rows("SELECT count(*), min(active_ms), max(active_ms), min(shown) FROM decision"
                         " WHERE label <> 'withdrawn'")[0]
    check("every decision carries its time at work", times[1] >= 0 and times[2] <= 60000 and times[3] >= 0, times)


def review(program, watch, context):
    page = context.new_page()
    page.on("dialog", lambda d: d.accept())
    page.goto(program.address)
    page.wait_for_selector("body[data-ready]")
    check("the token leaves the address bar", page.url == f"http://{program.host}/", page.url)
    page.evaluate(MEASURE)
    expert = Expert(page)
    display_keys(expert)
    blindness(expert, program)
    every_key(expert)
    held_key(expert)
    matches(expert, program, "every key, undo, redo, note")
    sustained(expert, 30)
    random_walk(expert, 25)
    matches(expert, program, "random walk")
    reload_in_the_middle(expert)
    matches(expert, program, "reload")
    contact_sheet(expert)
    matches(expert, program, "contact sheet")
    undo_page(expert)
    matches(expert, program, "page taken back and made again")
    killed_in_the_middle(expert, program, watch)
    second_tab(expert, program, watch)
    large_batch(expert)
    watch.outage = True
    late_pixels(expert)
    watch.outage = False
    by_keyboard(page)
    watch.outage = True
    refused(expert, program)
    watch.outage = False
    the_rest(expert, program)
    check("only this program was asked for anything", watch.hosts == {program.host}, watch.hosts)
    check("no error in the console, no breach of the policy", not watch.errors, watch.errors or "")
    context.close()


def main():
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sl-browser-") as folder, sync_playwright() as playwright:
        program = Program(pathlib.Path(sys.argv[1]).resolve(), folder)
        program.make_workspace(IMAGES, SIDE_PX)
        program.make_queue(QUEUE, is_blind)
        program.start()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            refusals(program)
            context = browser.new_context(viewport={"width": 1600, "height": 1100})
            context.set_default_timeout(15000)
            review(program, Watch(context), context)
            check("the server stops when asked", program.stop() == 0)
            program.run("-w", program.workspace, "doctor")
            check("the chain of decisions is whole", True)
        finally:
            program.stop()
            browser.close()
    print(f"{time.monotonic() - started:.0f} s")
    for word, count in counts.items():
        if count:
            print(f"[  {word}  ] {count} test(s).")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
