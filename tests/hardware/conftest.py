"""What anybody with a board runs: `pytest tests/hardware`. Elsewhere everything skips, and says why.

    EDGE_HARDWARE_PROFILE=NAME   the profile to test, also where the machine is not recognised as a board
    EDGE_HARDWARE_UNPLUG=1       also the test in which a person pulls out the camera
    EDGE_HARDWARE_REPORT=FILE    write what was found to FILE, as JSON, to send in

It runs with the models that were pulled and the engines that were built, and builds one where that is missing.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest

from edge import profile as profiles
from edge.engine import open_engine
from edge.errors import EdgeError
from edge.host.linux import Linux

NO_BOARDS = ("pc", "cpu")
"""Profiles of machines that anything may be, a server that tests among them."""

HOMES = {name: os.environ.get(name) for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME")}
"""As they were before any test changed them."""

NAMED = os.environ.get("EDGE_HARDWARE_PROFILE")


def why_not():
    """Why nothing is tested here; None on a board."""
    if NAMED:
        return None
    chosen = profiles.load("auto")
    if chosen.name in NO_BOARDS:
        return (
            f"no board with a profile of its own ({chosen.because}); EDGE_HARDWARE_PROFILE=NAME tests it all the same"
        )
    return "a server that tests (CI is set), and no board" if os.environ.get("CI") else None


@pytest.fixture(scope="package", autouse=True)
def own_cache():
    """Other tests have an empty cache; these have the user's."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HOMES.items():
            patch.delenv(name, raising=False) if value is None else patch.setenv(name, value)
        yield


@pytest.fixture(scope="package")
def profile():
    """The profile that is tested."""
    return profiles.load(NAMED or "auto")


@pytest.fixture(scope="package")
def engine(profile):
    """The first interpreter of the profile that runs; TensorRT may take minutes to build its engine first."""
    try:
        opened = open_engine(profile)
    except EdgeError as error:
        pytest.fail(f"no interpreter of the profile {profile.name} runs: {error}")
    yield opened
    opened.close()


class Noted:
    """What was measured, and how the tests went."""

    def __init__(self):
        self.tests = {}
        self.measured = {}


NOTED = pytest.StashKey[Noted]()


@pytest.fixture
def measured(request):
    """A mapping for what a test measures."""
    return request.config.stash.setdefault(NOTED, Noted()).measured


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" or report.skipped or report.failed:
        noted = item.config.stash.setdefault(NOTED, Noted())
        words = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else report.longreprtext
        noted.tests[item.name] = {"outcome": report.outcome, "shows": item.function.__doc__, "said": words[-2000:]}


def pytest_sessionfinish(session):
    place = os.environ.get("EDGE_HARDWARE_REPORT")
    if place and NOTED in session.config.stash:
        noted, machine = session.config.stash[NOTED], Linux()
        chosen = profiles.load(NAMED or "auto")
        whole = {
            "profile": chosen.name,
            "because": chosen.because,
            "facts": msgspec.to_builtins(machine.facts()),
            "state": msgspec.to_builtins(machine.state()),
            "measured": noted.measured,
            "tests": noted.tests,
        }
        Path(place).write_text(json.dumps(whole, indent=1) + "\n")
