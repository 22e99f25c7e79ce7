"""`edge events`: what a camera saw."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest

from edge.cli.events import FIRST, follow
from edge.events.store import Store
from edge.service.places import STATE
from edge.settings import Events
from edge.types import Event

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)


def event(number, **more):
    fields = {"kind": "appeared", "label": "cat", "score": 0.81, "at": NOON + timedelta(minutes=number), **more}
    return Event(id=f"{number:032x}", frame=number, **fields)


def keep(path, *events):
    with closing(Store(path, Events())) as store:
        for each in events:
            store.add(each)
    return path


@pytest.fixture
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def home(tmp_path, monkeypatch, utc):
    """The cameras of a user: one has seen something."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    cameras = tmp_path / "edgekit" / "cameras"
    keep(
        cameras / "door" / "events.sqlite",
        event(0),
        event(1, kind="changed", label="dog", previous="cat", picture="a.jpg"),
        event(2, kind="gone", label="dog", lasted_s=62.04),
    )
    return cameras


TOLD = [
    "2026-05-01 12:00:00  appeared  cat 81%",
    "2026-05-01 12:01:00  changed   dog 81%, before: cat, a.jpg",
    "2026-05-01 12:02:00  gone      dog 81%, after 62.0 s",
]


def test_events_are_shown_a_line_each(cli, home):
    for given in ("door", "door.toml", home / "door", home / "door" / "events.sqlite"):
        ran = cli("events", given)
        assert (ran.code, ran.out.splitlines(), ran.err) == (0, TOLD, "")


def test_a_file_may_name_its_camera_otherwise(cli, home, tmp_path):
    path = tmp_path / "yard.toml"
    path.write_text('name = "door"\n')
    assert cli("events", path).out.splitlines() == TOLD


def test_json_is_what_the_house_gets_too(cli, home):
    lines = cli("events", "door", "--json").out.splitlines()
    assert json.loads(lines[1]) == {
        "id": f"{1:032x}",
        "kind": "changed",
        "label": "dog",
        "score": 0.81,
        "at": "2026-05-01T12:01:00Z",
        "frame": 1,
        "previous": "cat",
        "lasted_s": None,
        "picture": "a.jpg",
    }


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-05-01", 3),
        ("2026-05-01T12:01", 2),
        ("2026-05-01T12:01:00Z", 2),
        ("2026-05-01T14:01:30+02:00", 1),
        ("90s", 0),
        ("5200w", 3),
    ],
)
def test_only_later_ones_are_shown_where_that_is_asked(cli, home, since, shown):
    ran = cli("events", "door", "--since", since)
    assert ran.out.splitlines() == TOLD[3 - shown :]
    assert ("no such events" in ran.err) is (shown == 0)
    assert ran.code == 0


@pytest.mark.parametrize(("labels", "shown"), [(["cat"], TOLD[:2]), (["dog"], TOLD[1:]), (["cat", "dog"], TOLD)])
def test_only_what_is_about_a_label_is_shown_where_that_is_asked(cli, home, labels, shown):
    given = [word for label in labels for word in ("--label", label)]
    assert cli("events", "door", *given).out.splitlines() == shown


@pytest.mark.parametrize("text", ["yesterday", "5", "-3h", "2026-13-01", "999999w", "1.5.2026"])
def test_a_time_that_is_none_is_refused(cli, home, text):
    ran = cli("events", "door", f"--since={text}")
    assert (ran.code, ran.err) == (
        2,
        f"edge: --since {text}: no time; give 90s, 30m, 2h, 7d, or a date as 2026-05-01\n",
    )


@pytest.mark.skipif(STATE.exists(), reason=f"this machine has cameras in {STATE}")
def test_the_only_camera_need_not_be_named(cli, home, tmp_path):
    assert cli("events").out.splitlines() == TOLD
    keep(home / "yard" / "events.sqlite", event(0))
    ran = cli("events")
    assert (ran.code, ran.err) == (2, "edge: events are kept of door, yard; name the one whose events to show\n")
    ran = cli("events", "cellar")
    assert (ran.code, ran.err) == (2, "edge: no events of a camera cellar; events are kept of door, yard\n")
    for path in home.rglob("events.sqlite"):
        path.unlink()
    ran = cli("events")
    assert (ran.code, ran.err) == (2, "edge: no camera keeps events yet\n")


def test_where_there_are_none_that_is_said(cli, home, tmp_path):
    path = keep(tmp_path / "e", event(0))
    ran = cli("events", path, "--label", "bird")
    assert (ran.code, ran.out, ran.err) == (0, "", f"edge: {path}: no such events\n")


def test_what_is_no_database_is_refused_in_a_line(cli, tmp_path):
    (tmp_path / "e").write_text("no database")
    for more in ([], ["--follow"]):
        ran = cli("events", tmp_path / "e", *more)
        assert ran.code == 1
        assert ran.err.count("\n") == 1
        assert "cannot be read as events" in ran.err


def test_what_another_user_keeps_is_told_with_advice(cli, plain_user, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(plain_user))
    path = keep(plain_user / "edgekit" / "cameras" / "door" / "events.sqlite", event(0))
    path.parent.chmod(0)
    ran = cli("events", "door")
    assert (ran.code, ran.err) == (1, f"edge: {path} may not be read; use sudo, or join the group that owns it\n")


def test_a_database_without_events_is_no_matter_of_permission(cli, tmp_path):
    path = tmp_path / "e"
    with closing(sqlite3.connect(path)) as bare:
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("CREATE TABLE other (number)")
        ran = cli("events", path)
    assert ran.code == 1
    assert ran.err.startswith(f"edge: {path} cannot be read as events: no such table: events")


# --- following


class Meanwhile:
    """What happens between two looks, one thing at a time; then Ctrl-C."""

    def __init__(self, *things):
        self._things = iter(things)

    def __call__(self, seconds):
        try:
            next(self._things)()
        except StopIteration:
            raise KeyboardInterrupt from None


def test_what_happens_is_shown_as_it_happens(tmp_path):
    path = keep(tmp_path / "e", *map(event, range(15)))

    def put_aside():
        for each in tmp_path.glob("e*"):
            each.unlink()

    def begun_anew():
        sqlite3.connect(path).close()
        path.write_bytes(b"not yet")

    meanwhile = Meanwhile(
        lambda: None,
        lambda: keep(path, event(20), event(21, label="dog")),
        put_aside,
        begun_anew,
        put_aside,
        lambda: keep(path, event(30)),
        lambda: keep(path, event(31)),
    )
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for each in follow(path, None, ("cat",), meanwhile):
            seen.append(each.frame)
    assert seen == [*range(15 - FIRST, 15), 20, 30, 31]


def test_a_time_shows_all_since_then_and_goes_on(tmp_path):
    path = keep(tmp_path / "e", *map(event, range(15)))
    seen = islice(follow(path, NOON + timedelta(minutes=1), (), lambda seconds: None), 14)
    assert [each.frame for each in seen] == list(range(1, 15))


# --- several cameras of one service


def test_events_of_each_of_several_cameras_are_found_by_its_full_name(cli, home, tmp_path):
    for place, name in enumerate(("yard", "gate")):
        keep(home / "house" / name / "events.sqlite", event(place, label=name))
    assert cli("events", "house-yard").out == "2026-05-01 12:00:00  appeared  yard 81%\n"
    assert cli("events", home / "house" / "gate").out == "2026-05-01 12:01:00  appeared  gate 81%\n"
    ran = cli("events", "house")
    assert ran.code == 2 and "events are kept of door, house-gate, house-yard" in ran.err


def test_a_service_of_the_same_name_as_a_camera_of_another_is_the_one_that_is_meant(cli, home):
    keep(home / "house" / "yard" / "events.sqlite", event(0, label="inner"))
    keep(home / "house-yard" / "events.sqlite", event(0, label="outer"))
    assert "outer" in cli("events", "house-yard").out
