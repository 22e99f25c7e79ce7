"""A real browser, for the tests of pages."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from edge.benchmarks.web.browser import NAMES, browser

from edge.errors import AdapterError

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""Chromium's own stand-in for a webcam, which may be given to every page."""


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """Chromium, rather as the program that has no window: what is around a page costs as much as the page."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(browser(*arguments, names=("chromium-headless-shell", *NAMES)))
        except AdapterError as error:
            pytest.skip(str(error))
        yield found
