"""A browser's own camera as the board's, in a real Chromium: from getUserMedia to the label on the page."""

import re
import shutil
from contextlib import ExitStack

import browsers
import cv2
import demos
import numpy as np
import pytest
from edge.benchmarks.web.demo import demo as running

from edge.cameras.sample import photographs

GUARD_S = 60.0


@pytest.fixture(scope="module")
def cup(tmp_path_factory):
    """What the webcam sees: a photograph of a cup of coffee, as Motion JPEG."""
    coffee = next(path for path in photographs() if path.stem == "coffee")
    picture = cv2.resize(cv2.imread(str(coffee)), (640, 480))
    file = tmp_path_factory.mktemp("webcam") / "cup.mjpeg"
    frames = [np.clip(picture.astype(int) + shade, 0, 255).astype(np.uint8) for shade in range(10)]
    file.write_bytes(b"".join(cv2.imencode(".jpg", each)[1].tobytes() for each in frames))
    return file


@pytest.fixture
def demo(tmp_path):
    """Begins `edge demo`; gives its address. All are ended as by Ctrl-C, and took it well."""
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(running(tmp_path, *given))


@pytest.fixture
def page(cup):
    """Opens a page in a Chromium with that webcam, which may be given to every page."""
    with browsers.chromium(*browsers.FAKE_CAMERA, f"--use-file-for-fake-video-capture={cup}") as browser:

        def opened(link, **more):
            context = browser.new_context(permissions=["camera"], **more)
            found = context.new_page()
            found.set_default_timeout(GUARD_S * 1000)
            found.goto(link, wait_until="domcontentloaded")
            return found

        yield opened


def sees_the_cup(page):
    """Wait until the page says what the webcam sees, and that it comes from there."""
    page.locator("#answers").get_by_text(re.compile("espresso|cup")).first.wait_for()
    page.locator("#own-view").wait_for()
    assert page.locator("#own-start").get_attribute("aria-pressed") == "true"


def test_the_camera_of_the_browser_gets_its_label_and_is_waited_for_when_it_is_stopped(demo, page):
    tab = page(demo("--browser-camera", "--listen", "127.0.0.1:0"))
    sees_the_cup(tab)
    tab.locator("#own-start").click()
    tab.locator("#state:not([data-tone=good])").wait_for()
    tab.locator("#veil").get_by_text("press “Use this camera”").wait_for()
    tab.locator("#own-words").get_by_text("Nothing is seen").wait_for()
    tab.locator("#own-start").click()
    sees_the_cup(tab)


ASKED = """
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.tracks = [];
  window.asked = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    asked.push(1);
    await new Promise((then) => { window.allow = then; });
    const stream = await real(wanted);
    tracks.push(...stream.getTracks());
    return stream;
  };
"""


def test_a_camera_is_asked_for_once_and_is_off_when_it_is_stopped(demo, page):
    link = demo("--browser-camera", "--listen", "127.0.0.1:0")
    tab = page("about:blank")
    tab.context.add_init_script(ASKED)
    tab.goto(link)
    demos.until(lambda: tab.evaluate("window.asked?.length") == 1, lambda seconds: tab.wait_for_timeout(seconds * 1000))
    tab.locator("#own-start").click()
    tab.locator("#own-start").click()
    assert tab.evaluate("asked.length") == 1, "somebody is being asked already"
    tab.evaluate("allow()")
    sees_the_cup(tab)
    tab.locator("#own-start").click()
    assert tab.evaluate("tracks.map((each) => each.readyState)") == ["ended"]


def test_one_camera_is_looked_through_at_a_time_and_the_next_when_it_is_stopped(demo, page):
    link = demo("--browser-camera", "--listen", "127.0.0.1:0")
    first = page(link)
    sees_the_cup(first)
    second = page(link)
    second.locator("#own-words").get_by_text("another browser's camera").wait_for()
    first.locator("#own-start").click()
    second.locator("#own-words").get_by_text("looks through the camera of this device").wait_for()
    first.locator("#own-start").click()
    first.locator("#own-words").get_by_text("another browser's camera").wait_for()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_camera_of_another_machine_comes_by_https_with_the_token_of_the_link(demo, page):
    link = demo("--browser-camera", "--listen", "0.0.0.0:0")
    assert link.startswith("https://") and "#token=" in link
    tab = page(link, ignore_https_errors=True)
    sees_the_cup(tab)
    assert "token" not in tab.url, "it is not left in the address"
