"""The live page in a real browser: every control, what it says when something is lost, and whether all can use it."""

import hashlib
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, nullcontext
from datetime import date
from functools import partial
from pathlib import Path

import browsers
import demos
import pytest
from asking import KEPT, TOKEN

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

PAGE = Path(demos.__file__).parents[2] / "edge" / "web" / "page"
SHARED = Path(demos.__file__).parents[3] / "shared" / "data" / "images"

DESK, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)
LOOKS = {
    "desk, light": (DESK, "light"),
    "desk, dark": (DESK, "dark"),
    "phone, light": (PHONE, "light"),
    "phone, dark": (PHONE, "dark"),
    "narrow": (NARROW, "light"),
}

CUP, CAT, PALACE = (demos.PHOTOGRAPHS / f"{name}.jpg" for name in ("coffee", "chelsea", "china"))


@pytest.fixture(scope="module")
def browser():
    with browsers.chromium(*browsers.FAKE_CAMERA) as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with demos.running(tmp_path_factory.mktemp("demo"), CUP) as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Several cameras."""
    with demos.running(tmp_path_factory.mktemp("house"), CUP, CAT, PALACE) as running:
        yield running


class Shown:
    """A page that somebody looks at. complaints: what the browser's console says. asked: which addresses."""

    def __init__(self, browser, url, size=DESK, scheme="light", **more):
        width, height = size
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True, **more
        )
        self.context.set_default_timeout(demos.GUARD_S * 1000)
        self.page = self.context.new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda asked: self.asked.append(asked.url))
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url, wait_until="domcontentloaded")

    def until(self, true):
        """Wait until something is so; true: an expression of JavaScript, or a function."""

        def work():
            try:
                return self.page.evaluate(true) if isinstance(true, str) else true()
            except playwright.Error as error:
                if "context was destroyed" not in str(error):
                    raise
                return False  # the page loads anew

        demos.until(work, lambda seconds: self.page.wait_for_timeout(seconds * 1000))

    def says(self, place, words):
        self.until(lambda: words in self.page.inner_text(place))

    def runs(self):
        self.says("#state", "running")
        self.until("document.querySelectorAll('#answers li').length > 0")
        self.until("!document.querySelector('#veil').offsetParent")
        return self

    def asks(self, what):
        """How often something was asked for."""
        return sum(what in url for url in self.asked)

    def picture(self, canvas="#picture"):
        """What is on a canvas, as a number that is another one for another picture."""
        data = self.page.evaluate(f"document.querySelector('{canvas}').toDataURL()")
        return hashlib.sha256(data.encode()).hexdigest()


@pytest.fixture
def shows(browser):
    """Opens pages, and closes them in the end."""
    opened = []

    def show(url, **more):
        opened.append(Shown(browser, url, **more))
        return opened[-1]

    yield show
    for each in opened:
        each.context.close()


@pytest.fixture
def shown(shows, demo):
    found = shows(demo.url).runs()
    yield found
    controls = demo.life.first.controls
    controls.paused, controls.threshold, controls.labels = False, None, None
    assert [each for each in found.complaints if "Failed to load resource" not in each] == []


FULL = "document.querySelector('.filled') !== null && document.fullscreenElement !== null"
NOT_FULL = "document.querySelector('.filled') === null && document.fullscreenElement === null"

BLACK = """(() => { const canvas = document.querySelector('#picture');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    copy.drawImage(canvas, 0, 0);
    return !copy.getImageData(0, 0, canvas.width, canvas.height).data.some((each, at) => at % 4 < 3 && each) })()"""

# --- what is seen


def test_the_picture_moves(shown):
    before, seen = shown.page.locator("#frame").screenshot(), shown.picture()
    shown.until(lambda: shown.picture() != seen)
    assert shown.page.locator("#frame").screenshot() != before


def test_the_answer_stands_beside_the_picture_and_is_drawn_over_it(shown):
    assert shown.page.inner_text("#answers li:first-child .label") == "espresso"
    drawn = """(() => { const canvas = document.querySelector('#overlay');
        return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((each) => each) })()"""
    assert shown.page.evaluate(drawn)
    shown.until("document.querySelector('#picture').getAttribute('aria-label').includes('espresso')")
    shown.until("document.title.startsWith('espresso')")


BELONGS = """async () => {
  const { answers } = await import("/answers.js");
  const overlay = document.querySelector("#overlay");
  const drawn = () => {
    const copy = new OffscreenCanvas(overlay.width, overlay.height).getContext("2d");
    copy.drawImage(overlay, 0, 0);
    return copy.getImageData(0, 0, overlay.width, overlay.height).data.some((each) => each);
  };
  const answer = (frame, label) => answers.show({ frame, answer: [{ label, score: 0.9 }] });
  const over = (frame) => { answers.saw(frame); return drawn(); };
  answers.clear("");
  answer(1, "cat");
  answer(2, "dog");
  const told = [over(2), over(1), over(3)];
  answer(3, "fox");
  told.push(drawn());
  for (const frame of [5, 7, 9]) answer(frame, "fox");
  return [...told, over(10)];
}"""


def test_an_answer_is_drawn_over_its_own_picture_or_where_all_are_alike(shown):
    own, earlier, unknown, come, alike = shown.page.evaluate(BELONGS)
    assert (own, earlier, unknown, come, alike) == (True, True, False, True, True)


@pytest.mark.parametrize("name, label", [("parrot.jpg", "macaw"), ("hot_dog.jpg", "hotdog"), ("cat_720p.jpg", "cat")])
def test_a_shared_photograph_has_its_right_label(shows, tmp_path, name, label):
    if not (SHARED / name).is_file():
        pytest.skip("needs the shared photographs")
    with demos.running(tmp_path, SHARED / name) as running:
        page = shows(running.url).runs()
        page.says("#answers li:first-child .label", label)


def test_figures_and_plots_tell_how_it_fares(shown):
    shown.until("document.querySelectorAll('#vitals > div').length >= 9")
    shown.until("Number(document.querySelector('#fps-now').textContent) > 1")
    told = shown.page.evaluate("Object.fromEntries([...document.querySelectorAll('#vitals > div')].map((each) => "
                               "[each.children[0].textContent, each.children[1].textContent]))")  # fmt: skip
    assert {"Temperature", "Clocks", "Power", "Throttling", "Dropped"} <= told.keys()
    assert told["Backend"] == "litert-cpu" and told["Why this one"] == "the first choice of its profile"
    for figure in ("#fps-now", "#ms-now", "#age-now", "#ms-pre", "#ms-inf", "#ms-post"):
        shown.until(f"parseFloat(document.querySelector('{figure}').textContent) >= 0")
    for plot in ("#fps", "#ms", "#age"):
        before = shown.picture(plot)
        shown.until(lambda before=before, plot=plot: shown.picture(plot) != before)


SLOW = """async () => {
  const { Pictures } = await import("/stream.js");
  const canvas = new OffscreenCanvas(8, 8);
  canvas.getContext("2d");
  const jpeg = await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer();
  const head = (sent) => `Content-Type: image/jpeg\\r\\nContent-Length: ${jpeg.byteLength}\\r\\n` +
    `X-Age-Ms: 5.0\\r\\nX-Sent-Ms: ${sent}\\r\\n\\r\\n`;
  let part;
  const body = new ReadableStream({ start(all) {
    part = async (sent) => all.enqueue(
      new Uint8Array(await new Blob([head(sent), jpeg, "\\r\\n--edge\\r\\n"]).arrayBuffer()));
  } });
  window.fetch = async () => new Response(body);
  const ages = [];
  const pictures = new Pictures(document.createElement("canvas"), "slow", (age) => {
    ages.push(age);
    if (ages.length === 1) part(1_000_000 - 60_000);
  }, () => {});
  part(1_000_000);
  while (ages.length < 2) await new Promise(requestAnimationFrame);
  pictures.stop();
  return ages;
}"""


def test_the_time_that_a_picture_takes_on_its_way_counts_as_its_age(shows, demo):
    first, late = shows(demo.url).runs().page.evaluate(SLOW)
    assert first < 60_000 <= late


# --- what may be asked


def test_a_pause_blackens_the_picture_at_once_and_it_goes_on(shown, demo):
    shown.page.click("#pause")
    shown.says("#veil", "Paused")
    streams = shown.asks("stream.mjpg")
    assert shown.page.evaluate(BLACK)
    shown.until(lambda: demo.life.first.controls.paused)
    shown.says("#state", "paused")
    assert shown.page.evaluate(BLACK)
    assert shown.page.get_attribute("#pause", "aria-pressed") == "true"
    assert shown.page.locator("#answers li").count() == 0
    assert shown.page.inner_text("#none") == "Paused"
    shown.says("#spoken", "paused")
    spoken = """async () => { const { answers } = await import("/answers.js");
        answers.speak({ name: "door", condition: "running", paused: false, label: "cat", score: 0.5 });
        return document.querySelector("#spoken").textContent }"""
    assert shown.page.evaluate(spoken) == "cat, 50 %", "whoever listens hears of it at once"
    assert shown.asks("stream.mjpg") == streams, "none is asked for while there are none"
    shown.page.click("#pause")
    shown.runs()
    seen = shown.picture()
    shown.until(lambda: shown.picture() != seen)
    assert shown.asks("stream.mjpg") > streams
    assert shown.asks("updates") == 1


def test_what_was_said_before_a_pause_was_heard_does_not_end_it(shown):
    shown.page.route("**/settings*", lambda route: None)  # on its way, and not heard
    shown.page.click("#pause")
    shown.says("#veil", "Paused")
    streams = shown.asks("stream.mjpg")
    shown.says("#fps-now", "\N{EN DASH}")  # how it fares was told once more
    assert shown.page.inner_text("#state") == "paused"
    assert shown.asks("stream.mjpg") == streams


def test_a_pause_by_another_page_is_seen_on_this_one(shown, shows, demo):
    other = shows(demo.url).runs()
    other.page.click("#pause")
    shown.says("#state", "paused")
    shown.page.click("#pause")
    other.runs()


def test_the_threshold_is_set_by_mouse_and_keyboard_and_marked_on_the_bars(shown, demo):
    shown.page.fill("#threshold", "0.75")
    shown.until(lambda: demo.life.first.controls.threshold == 0.75)
    assert shown.page.inner_text("#threshold-shown") == "75 %"
    shown.until("document.querySelector('#answers .mark-at').style.left === '75%'")
    shown.page.press("#threshold", "ArrowRight")
    shown.until(lambda: demo.life.first.controls.threshold == 0.76)


def test_as_many_classes_are_shown_as_are_asked_for_also_the_next_time(shown):
    shown.page.fill("#top", "1")
    shown.until("document.querySelectorAll('#answers li').length === 1")
    shown.page.fill("#top", "9")
    shown.until("document.querySelectorAll('#answers li').length > 1")
    assert "0 %" not in shown.page.locator("#answers .score").all_inner_texts()
    shown.page.reload(wait_until="domcontentloaded")
    shown.runs()
    assert shown.page.inner_text("#top-shown") == "9"


def test_labels_that_count_are_added_and_removed(shown, demo):
    controls = demo.life.first.controls
    shown.until("document.querySelectorAll('#known option').length === 1000")
    shown.page.fill("#labels", "tripod")
    shown.page.press("#labels", "Enter")
    shown.until(lambda: controls.labels == ("tripod",))
    shown.page.fill("#labels", "no such thing")
    shown.page.click("#settings button[type=submit]")
    shown.says("#alert", "Labels: the model knows no 'no such thing'")
    assert controls.labels == ("tripod",)
    with shown.page.expect_response(lambda answer: answer.request.method == "PATCH"):
        shown.page.click("#chips button")
    playwright.expect(shown.page.locator("#alert")).to_have_text("", timeout=5000)  # it fades after 9 s
    shown.until(lambda: not controls.labels)
    shown.until("document.querySelectorAll('#chips li').length === 0")


def test_a_camera_and_a_model_are_chosen_and_given_back(shown, demo):
    shown.until("document.querySelectorAll('#source option').length === 2")
    shown.page.select_option("#source", "sample:")
    shown.until(lambda: demo.life.first.controls.choice.source == "sample:")
    shown.says("#answers", "Egyptian cat")
    shown.page.select_option("#source", "")
    shown.until(lambda: demo.life.first.controls.choice.source is None)
    model = shown.page.evaluate("document.querySelector('#model').options[1].value")
    shown.page.select_option("#model", model)
    shown.until(lambda: demo.life.first.controls.choice.model == model)
    shown.page.select_option("#model", "")
    shown.until(lambda: demo.life.first.controls.choice.model is None)
    shown.runs()
    shown.says("#answers", "espresso")


def test_a_snapshot_is_saved_with_its_answer(shown):
    with shown.page.expect_download() as saved:
        shown.page.click("#snapshot")
    assert saved.value.suggested_filename.endswith(".jpg")
    assert Path(saved.value.path()).read_bytes()[:2] == b"\xff\xd8"
    shown.says("#toast", saved.value.suggested_filename)


def test_the_picture_fills_the_screen_and_gives_it_back(shown):
    shown.page.click("#full")
    shown.until("document.fullscreenElement?.id === 'stage'")
    shown.until("document.querySelector('#full').getAttribute('aria-pressed') === 'true'")
    box = shown.page.locator("#frame").bounding_box()
    assert box["height"] == pytest.approx(900, abs=2) or box["width"] == pytest.approx(1280, abs=2)
    shown.page.click("#full")
    shown.until(NOT_FULL)


def test_events_have_pictures_that_open(shows, tmp_path):
    with demos.running(tmp_path, CAT) as running:
        page = shows(running.url).runs()
        page.says("#events", "Egyptian cat")
        assert str(date.today().year) in page.page.inner_text("#events time >> nth=0"), "the page may be open for days"
        page.until("document.querySelector('#events img').naturalWidth > 0")
        page.page.click("#events button")
        page.until("document.querySelector('#large').open && document.querySelector('#large-picture').naturalWidth > 0")
        page.page.keyboard.press("Escape")
        page.until("!document.querySelector('#large').open")


def test_an_event_that_happens_while_the_list_is_asked_for_stands_in_it(shows, demo):
    page = shows(demo.url).runs()
    listed = page.page.evaluate("""async () => {
        const { happened, load } = await import("/events.js");
        let answer;
        window.fetch = () => new Promise((then) => { answer = then; });
        const event = (id) => ({ id, kind: "appeared", label: id, score: 1, lasted_s: null, at: `2026-01-0${id}` });
        const loaded = load(["door"]);
        happened(event("2"), "door");
        answer(Response.json({ events: [event("1")] }));
        await loaded;
        return [...document.querySelectorAll("#events li")].map((each) => each.dataset.id);
    }""")
    assert listed == ["2", "1"]


def test_all_of_it_is_worked_by_the_keyboard_alone(shown, demo):
    shown.page.focus("body")
    shown.page.keyboard.press("Space")
    shown.says("#state", "paused")
    shown.page.keyboard.press("Space")
    shown.runs()
    with shown.page.expect_download():
        shown.page.keyboard.press("s")
    shown.page.keyboard.press("f")
    shown.until(FULL)
    shown.page.keyboard.press("f")
    shown.until(NOT_FULL)
    reached = set()
    for _ in range(40):
        shown.page.keyboard.press("Tab")
        reached.add(shown.page.evaluate("document.activeElement.id"))
        outline = shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or shown.page.evaluate("document.activeElement === document.body")
    wanted = {"theme", "pause", "snapshot", "full", "keys", "threshold", "top", "source", "model", "labels"}
    assert wanted <= reached


def test_single_keys_go_on_after_a_button_was_clicked(shown):
    for act in (partial(shown.page.click, "#full"), partial(shown.page.keyboard.press, "f")):
        act()
        shown.until(FULL)
        act()
        shown.until(NOT_FULL)


def test_single_keys_can_be_turned_off(shown, demo):
    shown.page.set_viewport_size({"width": 320, "height": 640})
    shown.page.uncheck("#keys")
    shown.page.evaluate("document.activeElement.blur()")
    shown.page.keyboard.press("f")
    assert shown.page.locator(".filled").count() == 0
    shown.page.check("#keys")


def test_colours_go_by_the_system_until_one_is_chosen(shows, demo):
    page = shows(demo.url, scheme="dark").runs()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.page.evaluate(ground)
    page.page.click("#theme")
    light = page.page.evaluate(ground)
    assert light != dark and page.page.inner_text("#theme").endswith("light")
    page.page.reload(wait_until="domcontentloaded")
    assert page.page.evaluate(ground) == light
    page.page.click("#theme")
    page.page.emulate_media(color_scheme="light")
    assert page.page.evaluate(ground) == dark


# --- what is lost and comes back


def test_a_camera_that_is_lost_is_said_and_its_picture_comes_back(shown, demo):
    demo.gone.touch()
    shown.says("#veil", "No picture")
    shown.says("#state", "recovering")
    shown.says("#none", "the camera is gone")
    shown.says("#fps-now", "\N{EN DASH}")
    assert shown.page.locator("#answers li").count() == 0
    demo.gone.unlink()
    shown.runs()
    seen = shown.picture()
    shown.until(lambda: shown.picture() != seen)


GAP = """(() => {
  const canvas = document.querySelector('#fps');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const there = Array.from({ length: canvas.width }, (_, x) => {
    for (let y = 0; y < canvas.height; y++) {
      const [red, green] = data.slice(4 * (y * canvas.width + x));
      if (red < 60 && green > 80) return "x";
    }
    return " ";
  }).join("").trim();
  return Math.max(0, ...there.split("x").map((each) => each.length)) / canvas.width * 60;
})()"""
"""Points that are left out of a plot, between those that are not."""


def test_a_server_that_is_lost_is_said_and_the_page_comes_back_by_itself(shows, tmp_path):
    running = demos.Demo(tmp_path, CUP).start()
    page = shows(running.url).runs()
    running.stop()
    page.says("#state", "server gone")
    page.says("#notice", "comes back by itself")
    page.says("#veil", "does not answer")
    again = demos.Demo(tmp_path, CUP, port=running.port).start()
    try:
        page.runs()
        assert not page.page.is_visible("#notice")
        page.until(f"{GAP} >= 3")
        seen = page.picture()
        page.until(lambda: page.picture() != seen)
    finally:
        again.stop()


def test_a_page_that_is_opened_before_its_server_answers_waits_for_it(shows, demo):
    page = shows("about:blank")
    page.context.route("**/api/v1/**", lambda route: route.abort())
    page.page.goto(demo.url)
    page.says("#state", "server gone")
    page.context.unroute("**/api/v1/**")
    refusal = {"error": "too many requests"}
    page.context.route("**/api/v1/cameras", lambda route: route.fulfill(status=429, json=refusal))
    page.says("#state", "refused")
    page.says("#notice", "too many requests")
    page.context.unroute("**/api/v1/cameras")
    page.runs()


def test_a_server_that_hangs_is_said_by_every_page_and_all_come_back(shows, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    line = [sys.executable, "-m", "edge", "demo", "sample:", "sample:", "--no-open", "--listen", url[7:-1]]
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            demos.until(lambda: process.poll() is not None or answers(url))
            mosaic, single = shows(url), shows(url)
            mosaic.says("#state", "2 of 2 running")
            single.page.click("#cameras button:nth-child(2)")
            single.runs()
            process.send_signal(signal.SIGSTOP)
            for page in (mosaic, single):
                page.says("#state", "server gone")
            assert single.page.is_visible("#veil")
            mosaic.until(lambda: mosaic.page.is_visible("#mosaic .veil >> nth=0"))
            process.send_signal(signal.SIGCONT)
            single.runs()
            mosaic.says("#state", "2 of 2 running")
            process.send_signal(signal.SIGINT)
            assert process.wait(demos.GUARD_S) == 0
            mosaic.says("#state", "server gone")
        finally:
            process.kill()


def answers(url):
    """Whether somebody does there."""
    try:
        return urllib.request.urlopen(f"{url}api/v1/cameras", timeout=demos.GUARD_S).status == 200
    except OSError:
        return False


# --- several cameras


def test_a_mosaic_shows_all_cameras_moving_and_each_leads_to_its_own(shows, house):
    page = shows(house.url)
    page.says("#state", "3 of 3 running")
    for number, label in enumerate(("espresso", "Egyptian cat", "palace"), 1):
        tile = f"#mosaic button:nth-child({number})"
        page.says(f"{tile} .sees", label)
        bold = f"""(() => {{ const sees = document.querySelector('{tile} .sees');
            return sees.classList.contains('over') === parseInt(/[0-9]+(?= %)/.exec(sees.textContent)[0]) >= 30 }})()"""
        page.until(bold)
        before = page.picture(f"{tile} canvas")
        page.until(lambda before=before, tile=tile: page.picture(f"{tile} canvas") != before)
    page.says("#events", "Egyptian cat")
    untouched = """(() => { const key = new KeyboardEvent('keydown', { key: ' ', bubbles: true, cancelable: true });
        return document.body.dispatchEvent(key) })()"""
    assert page.page.evaluate(untouched), "there is no camera to pause"
    page.page.press("#mosaic button:nth-child(2)", "Enter")
    page.runs()
    assert page.page.evaluate("document.activeElement.id") == "stage"
    page.says("#answers li:first-child", "Egyptian cat")
    assert page.page.inner_text("#cameras [aria-current]") == "chelsea"
    page.page.press("#cameras button:first-child", "Enter")
    page.says("#state", "3 of 3 running")
    assert page.page.title() == "3 cameras · edgekit"
    assert page.page.evaluate("document.activeElement.textContent") == "All"


def test_a_camera_whose_pictures_do_not_come_never_shows_those_of_another(shows, house):
    page = shows(house.url)
    page.page.click("#cameras button:nth-child(2)")
    page.runs()
    page.context.route("**/stream.mjpg*", lambda route: route.abort())
    page.page.click("#cameras button:nth-child(3)")
    assert page.page.evaluate(BLACK)
    page.says("#answers", "Egyptian cat")
    page.says("#veil", "No picture comes")
    assert page.page.evaluate(BLACK) and page.page.inner_text("#state") == "running"
    page.context.unroute("**/stream.mjpg*")
    page.runs()
    assert not page.page.evaluate(BLACK)


def test_a_camera_whose_pictures_cannot_be_read_is_no_matter_of_the_others(shows, house):
    page = shows("about:blank")
    bad = "**/picture.jpg?camera=*chelsea"
    page.context.route(bad, lambda route: route.fulfill(content_type="image/jpeg", body=b"no picture"))
    page.page.goto(house.url)
    page.says("#mosaic button:nth-child(2) .veil", "No picture comes")
    before = page.asks("chelsea")
    page.until(lambda: page.asks("chelsea") > before + 3)
    assert page.asks("/cameras") == 1 and not page.page.is_visible("#notice")
    page.context.unroute(bad)
    page.until("!document.querySelector('#mosaic button:nth-child(2) .veil').offsetParent")


def test_a_threshold_is_that_of_the_camera_where_it_was_set(shows, house):
    page = shows(house.url)
    page.page.click("#cameras button:nth-child(2)")
    page.runs()
    page.page.evaluate("""() => { document.querySelector("#threshold").value = 0.9;
        document.querySelector("#threshold").dispatchEvent(new Event("input"));
        document.querySelector("#cameras button:nth-child(3)").click(); }""")
    page.until(lambda: any(post.controls.threshold for post in house.life.posts))
    assert [post.controls.threshold for post in house.life.posts] == [0.9, None, None]
    house.life.posts[0].controls.threshold = None


def test_a_camera_that_is_lost_is_said_in_the_mosaic_while_the_others_go_on(shows, house):
    page = shows(house.url)
    page.says("#state", "3 of 3 running")
    house.gone.touch()
    page.says("#state", "2 of 3 running")
    before = page.picture("#mosaic button:nth-child(2) canvas")
    page.until(lambda: page.picture("#mosaic button:nth-child(2) canvas") != before)
    house.gone.unlink()
    page.says("#state", "3 of 3 running")


def test_one_camera_is_paused_and_the_others_go_on(shows, house):
    page = shows(house.url)
    page.page.click("#cameras button:nth-child(3)")
    page.runs()
    page.page.click("#pause")
    page.until(lambda: [post.controls.paused for post in house.life.posts] == [False, True, False])
    page.page.click("#cameras button:first-child")
    page.says("#mosaic button:nth-child(2)", "paused")
    page.page.click("#cameras button:nth-child(3)")
    page.says("#veil", "Paused")
    page.page.click("#pause")
    page.runs()


# --- the token


def test_a_token_is_asked_for_and_lets_its_owner_in_and_out(shows, tmp_path):
    with demos.running(tmp_path, CUP, kept=KEPT) as running:
        page = shows(running.url)
        page.until("document.querySelector('#login').open")
        assert page.page.inner_text("#state") == "needs a token"
        page.page.fill("#token", "another")
        page.page.press("#token", "Enter")
        page.says("#login-why", "not the token")
        page.page.fill("#token", TOKEN)
        page.page.press("#token", "Enter")
        page.runs()
        page.page.click("#leave")
        page.page.wait_for_selector("#login[open]")
        link = shows(f"{running.url}#token={TOKEN}")
        link.runs()
        assert link.page.url == running.url, "it does not stay in the address"
        assert not [url for url in link.asked if TOKEN in url]
        link.page.click("#leave")
        link.page.wait_for_selector("#login[open]")
        link.page.evaluate(f"location.hash = 'token={TOKEN}'")
        link.runs()
        assert link.page.url == running.url, "nor where the page is open already"


# --- whether all can use it


def test_the_page_is_small():
    assert sum(each.stat().st_size for each in PAGE.iterdir()) < 60_000


def test_nothing_is_asked_of_another_host(shown, demo):
    shown.until("document.querySelectorAll('#known option').length === 1000")
    assert {url for url in shown.asked if not url.startswith((demo.url, "blob:"))} == set()


@pytest.mark.parametrize("look", LOOKS)
def test_it_never_scrolls_sideways_and_nothing_is_cut(shows, demo, house, look):
    size, scheme = LOOKS[look]
    for url in (demo.url, house.url):
        page = shows(url, size=size, scheme=scheme)
        page.says("#state", "running")
        assert page.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        wide = """[...document.querySelectorAll('header *, main *')].filter((each) => each.checkVisibility() &&
            !each.closest('.quiet') && each.getBoundingClientRect().right > innerWidth + 0.5)
            .map((each) => each.outerHTML)"""
        assert page.page.evaluate(wide) == []
        page.page.set_viewport_size({"width": 844, "height": 390})
        cut = """[...document.querySelectorAll('.actions button')].some((each) =>
            each.getBoundingClientRect().bottom > innerHeight)"""
        assert url == house.url or not page.page.evaluate(cut), "a phone that lies on its side"


def test_what_is_read_out_does_not_chatter(shown):
    """A screen reader reads each change of a live region: they change when something else is there, not each frame."""
    shown.page.evaluate("""() => { window.said = [];
        const observer = new MutationObserver((all) => said.push(...all.map((each) => each.target.textContent)));
        for (const each of document.querySelectorAll('[aria-live], [role=status], [role=alert], output'))
            observer.observe(each, { childList: true, characterData: true, subtree: true }); }""")
    frames = "Number([...document.querySelectorAll('#vitals dd')][5].textContent.replace(',', ''))"
    seen = shown.page.evaluate(frames)
    shown.until(f"{frames} > {seen + 20}")
    assert len(shown.page.evaluate("said")) <= 1


def test_nothing_is_animated_so_that_bars_stand_where_their_figures_do(shown):
    assert shown.page.evaluate("document.getAnimations().length") == 0
    assert shown.page.evaluate("getComputedStyle(document.querySelector('.fill')).transitionDuration") == "0s"


OPPOSITES = ("desk, light", "phone, dark")


def faults(page, looks=OPPOSITES, during=nullcontext):
    """What axe holds to be serious or worse, by looks. during: a context of each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the package axe-playwright-python")
    found = []
    for look in looks:
        (width, height), scheme = LOOKS[look]
        page.page.set_viewport_size({"width": width, "height": height})
        page.page.emulate_media(color_scheme=scheme)
        with during():
            violations = axe.Axe().run(page.page).response["violations"]
        found += [(look, each["id"], [node["html"] for node in each["nodes"]]) for each in violations
                  if each["impact"] in ("serious", "critical")]  # fmt: skip
    return found


@contextmanager
def full(page):
    page.page.click("#full")
    page.until(FULL)
    yield
    page.page.click("#full")
    page.until(NOT_FULL)


def test_axe_finds_no_serious_fault_in_any_state(shows, demo):
    page = shows(demo.url, bypass_csp=True).runs()
    assert faults(page, LOOKS) == [], "running"
    page.page.evaluate(
        "document.querySelector('#pause').ariaLabel = ' ', document.querySelector('#pause').innerText = ''"
    )
    assert {name for _, name, _ in faults(page)} == {"button-name"}, "it would be found"
    page.page.reload(wait_until="domcontentloaded")
    page.runs()
    page.page.click("#events button >> nth=0")
    page.until("document.querySelector('#large').open")
    assert faults(page) == [], "a picture"
    page.page.keyboard.press("Escape")
    assert faults(page, during=partial(full, page)) == [], "full screen"
    page.page.click("#pause")
    page.says("#state", "paused")
    assert faults(page) == [], "paused"
    page.page.click("#pause")
    page.runs()
    demo.gone.touch()
    page.says("#state", "recovering")
    assert faults(page) == [], "without its camera"
    demo.gone.unlink()
    page.runs()


def test_axe_finds_no_serious_fault_in_a_mosaic(shows, house):
    mosaic = shows(house.url, bypass_csp=True)
    mosaic.says("#state", "3 of 3 running")
    assert faults(mosaic, LOOKS) == []


def test_axe_finds_no_serious_fault_where_a_token_is_asked_for_and_where_the_server_is_gone(shows, tmp_path):
    running = demos.Demo(tmp_path, CUP, kept=KEPT).start()
    page = shows(running.url, bypass_csp=True)
    page.until("document.querySelector('#login').open")
    assert faults(page, LOOKS) == [], "login"
    page.page.fill("#token", TOKEN)
    page.page.press("#token", "Enter")
    page.runs()
    running.stop()
    page.says("#state", "server gone")
    assert faults(page) == [], "server gone"
