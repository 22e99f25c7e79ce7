"""Chromium, looking at a page: needs the package `playwright`, and Chromium itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge.errors import AdapterError, EdgeError

LOOK_S = 0.005
"""Between two looks, so that looking leaves the processor to what is looked at."""

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def browser(*arguments: str, names: tuple[str, ...] = NAMES) -> Iterator[Any]:
    """A browser of Playwright. arguments: Chromium's own. names: of programs; the first that is here is taken.

    Raises AdapterError where there is none.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise AdapterError("it needs the package playwright; install it with `pip install playwright`") from error
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise AdapterError(f"it needs a browser, one of {', '.join(names)}; install one")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *arguments])
        try:
            yield found
        finally:
            found.close()


def offset_ms(page: Any, tries: int = 30) -> float:
    """What is to be added to the page's `performance.now()` to have `time.monotonic` in milliseconds.

    Both are CLOCK_MONOTONIC; of some askings the quickest tells it best, to half the time that it took.
    """
    found = []
    for _ in range(tries):
        before = time.monotonic_ns() / 1e6
        inside = page.evaluate("performance.now()")
        after = time.monotonic_ns() / 1e6
        found.append((after - before, (before + after) / 2 - inside))
    return float(min(found)[1])


def until(page: Any, asked: str, limit_s: float = 30.0) -> None:
    """Ask the page again and again, until it says yes. Raises EdgeError.

    Playwright's own way of waiting evaluates text on the page, which the page's policy does not let anybody do.
    """
    end = time.monotonic() + limit_s
    while not page.evaluate(asked):
        if time.monotonic() > end:
            raise EdgeError(f"the page shows no picture within {limit_s:g} s; see what `edge service run` says")
        time.sleep(LOOK_S)
