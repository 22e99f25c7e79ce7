"""Events on the disk, whatever happens to it."""

import itertools
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from edge.events import age, database
from edge.events.rows import read
from edge.events.store import PRUNE_EVERY, Counts, Store
from edge.settings import Events
from edge.types import Event

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
KEEP = Events(keep_days=10.0, keep_mb=64.0, spool=1000)
DAY_S = 86_400.0


def event(number, label="cat", at=NOON, **more):
    return Event(id=f"{number:032x}", kind="appeared", label=label, score=0.5, at=at, frame=number, **more)


@pytest.fixture
def tmp_path():
    """In memory where that can be: every event is synced, and a disk that others use takes its time for that."""
    with in_memory() as path:
        yield path


@contextmanager
def in_memory():
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        yield Path(name)


class Clocks:
    """A wall clock and a monotonic one that run together, until somebody sets the first."""

    def __init__(self):
        self.wall = NOON
        self.now_ns = 0

    def pass_s(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.now_ns += int(seconds * 1e9)


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def begin(tmp_path, clocks):
    """Opens the store of this test, as often as it likes."""
    opened = []

    def begin(keep=KEEP, path=None):
        store = Store(
            path or tmp_path / "state" / "events.sqlite", keep, wall=lambda: clocks.wall, clock=lambda: clocks.now_ns
        )
        opened.append(store)
        return store

    yield begin
    for store in opened:
        store.close()


def numbers(events):
    return [each.frame for each in events]


def test_an_event_is_kept_as_it_is(begin):
    whole = event(7, "Katze, getigert 🐈", previous="dog", lasted_s=1.25, picture="a.jpg")
    store = begin()
    store.add(event(6))
    store.add(whole)
    assert begin().waiting(10) == [event(6), whole]
    assert begin().last() == whole


def test_nothing_is_last_where_nothing_is(begin):
    assert begin().last() is None
    assert begin().counts() == Counts(0, 0, 0)


def test_an_event_that_is_there_is_not_kept_twice(begin):
    store = begin()
    for number in (1, 1, 2, 1):
        store.add(event(number))
    assert store.counts() == Counts(stored=2, waiting=2, dropped=0)


def test_what_was_delivered_waits_no_more(begin):
    store = begin()
    for number in range(5):
        store.add(event(number))
    assert numbers(store.waiting(2)) == [0, 1]
    store.delivered([event(0).id, event(3).id, "nobody's"])
    store.delivered([event(0).id])
    store.delivered([])
    assert numbers(store.waiting(9)) == [1, 2, 4]
    assert store.counts() == begin().counts() == Counts(stored=5, waiting=3, dropped=0)


def test_of_too_many_that_wait_the_oldest_are_given_up_and_counted_for_ever(begin):
    store = begin(Events(spool=3))
    for number in range(8):
        store.add(event(number))
    assert numbers(store.waiting(9)) == [5, 6, 7]
    assert store.counts() == begin().counts() == Counts(stored=8, waiting=3, dropped=5)
    store.adopt(Events(spool=1))
    store.add(event(8))
    assert store.counts() == Counts(stored=9, waiting=1, dropped=8)


def test_small_things_outlive_the_process(begin):
    store = begin()
    assert store.noted("threshold") is None
    store.note("threshold", "0.5")
    store.note("threshold", "0.75")
    assert begin().noted("threshold") == "0.75"


def test_many_threads_may_use_it(begin):
    store = begin()

    def work(first):
        for number in range(first, first + 10):
            store.add(event(number))
            store.delivered([event(number).id])
            store.counts()

    threads = [Thread(target=work, args=(1000 * each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts() == begin().counts() == Counts(40, 0, 0)


def test_closed_is_closed(begin):
    store = begin()
    store.add(event(1))
    store.close()
    store.close()
    with pytest.raises(OSError, match="closed"):
        store.add(event(2))


def test_a_disk_that_hangs_holds_up_nobody_else_and_not_the_end(tmp_path):
    hangs = database.Database(tmp_path / "d", "", lambda connection: None, hangs_s=0.0)
    with pytest.raises(OSError, match="d: the disk does not answer"):
        hangs.read(lambda connection: hangs.read(lambda connection: None))
    hangs.read(lambda connection: hangs.close(timeout_s=0.0))
    with pytest.raises(OSError, match="closed"):
        hangs.read(lambda connection: None)


# --- age and size


def fill(store, clocks, days, per_day=4):
    """Events of some days, and a look at the clocks with each."""
    for number in range(days * per_day):
        store.add(event(number, at=clocks.wall))
        clocks.pass_s(DAY_S / per_day)
        store.prune()


def test_old_events_go(begin, clocks):
    store = begin()
    fill(store, clocks, 15)
    assert numbers(each for _, each in read(store._database._path)) == list(range(20, 60))
    assert store.counts() == Counts(stored=40, waiting=40, dropped=20)


def test_other_settings_count_at_once(begin, clocks):
    store = begin()
    fill(store, clocks, 9)
    store.adopt(Events(keep_days=1))
    store.add(event(99, at=clocks.wall))
    assert store.counts().stored == 5


@pytest.mark.parametrize("years", [1, 30, -1, -60])
def test_a_clock_that_is_set_deletes_nothing_for_a_day(begin, clocks, years):
    store = begin()
    fill(store, clocks, 9)
    clocks.wall += timedelta(days=366 * years)
    for _ in range(11):
        clocks.pass_s(2 * 3600)
        store.add(event(clocks.now_ns, at=clocks.wall))
        store.prune()
        assert store.counts().stored >= 36
    clocks.wall -= timedelta(days=366 * years)
    clocks.pass_s(23 * 3600)
    store.prune()
    assert store.counts().stored == 36 + 11


def test_a_clock_that_is_wrong_from_the_start_deletes_nothing(begin, clocks):
    fill(begin(), clocks, 9)
    clocks.wall += timedelta(days=366)
    store = begin()
    store.prune()
    clocks.pass_s(3600)
    store.prune()
    assert store.counts().stored == 36


def test_a_board_that_is_started_anew_each_night_still_deletes(begin, clocks):
    store = begin()
    for number in range(14):
        store.add(event(number, at=clocks.wall))
        for _ in range(4):
            store.prune()
            clocks.pass_s(5 * 3600)
        store.close()
        store = begin()
        clocks.wall += timedelta(hours=4)
        clocks.now_ns = 0
    store.prune()
    assert store.counts().stored == 10


def test_a_clock_that_is_slow_to_agree_begins_anew():
    first = age.look(None, NOON, None)
    agreed = age.look(first, NOON + timedelta(seconds=1000), 1010.0)
    assert (first.agreed_s, agreed.agreed_s) == (0.0, 1010.0)
    assert age.look(agreed, NOON + timedelta(seconds=2100), 1000.0).agreed_s == 0.0
    assert not agreed.believed
    assert age.look(agreed, agreed.at + timedelta(days=1), DAY_S).believed


def test_where_events_take_too_much_the_oldest_go(begin, tmp_path):
    store = begin(Events(keep_mb=1.0, spool=100))
    many = PRUNE_EVERY + 50
    for number in range(many):
        store.add(event(number, label="x" * 8000))
    kept = numbers(each for _, each in read(store._database._path))
    assert kept == list(range(many - len(kept), many))
    assert 80 < len(kept) < 200
    store.prune()
    store.close()
    assert (tmp_path / "state" / "events.sqlite").stat().st_size < 1.1e6


# --- what happens to files and disks


@pytest.mark.parametrize("kind", ["noise", "text", "other tables", "header", "middle", "empty"])
def test_a_damaged_database_is_put_aside_and_a_new_one_begun(begin, tmp_path, caplog, kind):
    path = tmp_path / "events.sqlite"
    store = begin(path=path)
    for number in range(40):
        store.add(event(number, "x" * 500))
    store.close()
    spoil(path, kind)
    store = begin(path=path)
    with caplog.at_level(logging.WARNING, "edge"):
        found = [store.last(), *store.waiting(5)]
        store.add(event(1000))
        store.prune()
        store.note("a", "b")
    assert store.last() == event(1000)
    if kind == "empty":
        assert (found, store.damaged, caplog.messages) == ([None], 0, [])
        return
    assert store.damaged == 1
    [message] = caplog.messages
    assert "is damaged" in message and "begun anew" in message
    assert len(list(tmp_path.glob("events.sqlite.damaged-*"))) == 1


def spoil(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "header":
        data[16:60] = bytes(44)
    if kind == "middle":
        data[4096 * 3 : 4096 * 6] = bytes(4096 * 3)
    new = {"noise": random.Random(1).randbytes(5000), "text": b"no database\n" * 100, "empty": b""}
    if kind != "other tables":
        path.write_bytes(new.get(kind, bytes(data)))
        return
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE events (name TEXT)")


def test_whatever_bytes_are_wrong_it_goes_on(begin, tmp_path):
    path, chance = tmp_path / "e", random.Random(5)
    store = begin(path=path)
    for number in range(40):
        store.add(event(number, "é" * chance.randrange(300)))
    store.delivered([event(3).id])
    store.close()
    whole = path.read_bytes()
    for _ in range(30):
        for each in tmp_path.iterdir():
            each.unlink()
        data = bytearray(whole)
        for _ in range(chance.choice([1, 20, 300])):
            data[chance.randrange(chance.choice([200, len(data)]))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([None, None, chance.randrange(len(data))])])
        with suppress(OSError):
            list(read(path))
        with closing(Store(path, KEEP)) as store:
            assert len(store.waiting(99)) <= 40
            store.prune()
            store.add(event(100))
            assert store.last() == event(100)
            assert store.counts().stored <= 41


def test_an_event_that_makes_no_sense_is_damage(begin, tmp_path):
    store = begin(path=tmp_path / "e")
    store.add(event(1))
    with closing(sqlite3.connect(tmp_path / "e", isolation_level=None)) as other:
        other.execute("UPDATE events SET kind = 'flew'")
    assert store.waiting(5) == []
    assert store.damaged == 1
    with pytest.raises(OSError, match="cannot be read as events"):
        list(read(next(tmp_path.glob("e.damaged-*[0-9]"))))


def test_only_the_newest_damaged_databases_are_kept(begin, tmp_path):
    path = tmp_path / "e"
    for day in range(4):
        (tmp_path / f"e.damaged-2020010{day}T000000").write_bytes(b"")
        (tmp_path / f"e.damaged-2020010{day}T000000-wal").write_bytes(b"")
    path.write_bytes(b"noise" * 1000)
    Path(f"{path}-wal").write_bytes(b"noise" * 1000)
    begin(path=path).add(event(1))
    left = sorted(each.name for each in tmp_path.glob("e.damaged-*"))
    assert [name for name in left if name.startswith("e.damaged-2020")] == [
        "e.damaged-20200103T000000",
        "e.damaged-20200103T000000-wal",
    ]
    assert len(left) in (3, 4)


def test_a_database_that_is_deleted_is_begun_anew(begin, tmp_path):
    store = begin(path=tmp_path / "e")
    store.add(event(1))
    for path in tmp_path.glob("e*"):
        path.unlink()
    store.add(event(2))
    assert store.counts() == begin(path=tmp_path / "e").counts() == Counts(1, 1, 0)


def test_where_nothing_can_be_opened_every_call_says_so_and_the_next_may_do_better(begin, tmp_path):
    path = tmp_path / "e"
    path.mkdir()
    store = begin(path=path)
    for call in (lambda: store.add(event(1)), store.counts, store.last, store.prune, lambda: store.waiting(1)):
        with pytest.raises(OSError, match=r"e: unable to open database file; the folder, or the file, may not be"):
            call()
    path.rmdir()
    store.add(event(1))
    assert store.counts().stored == 1


def test_what_may_not_be_written_is_told_and_may_still_be_read(plain_user):
    path = plain_user / "state" / "e"
    store = Store(path, KEEP)
    store.add(event(1))
    store.close()
    path.chmod(0o444)
    with (
        closing(Store(path, KEEP)) as store,
        pytest.raises(OSError, match="attempt to write a readonly database; the file system is read-only"),
    ):
        store.add(event(2))
    path.chmod(0)
    with pytest.raises(PermissionError):
        list(read(path))


def test_whoever_may_only_read_reads_what_nobody_has_open(plain_user):
    path = plain_user / "state" / "e"
    with closing(Store(path, KEEP)) as store:
        store.add(event(1))
    path.parent.chmod(0o555)
    assert numbers(each for _, each in read(path)) == [1]
    path.parent.chmod(0o755)
    Path(f"{path}-wal").write_bytes(b"")
    path.parent.chmod(0o555)
    with pytest.raises(PermissionError, match="the folder cannot be written"):
        list(read(path))


def test_a_database_that_fails_anew_is_told_and_tried_again(tmp_path):
    failures = [sqlite3.DatabaseError("malformed"), sqlite3.DatabaseError("malformed again")]

    def begun(connection):
        if failures:
            raise failures.pop(0)

    file = database.Database(tmp_path / "e", "CREATE TABLE t (n INT)", begun)
    with pytest.raises(OSError, match="e: malformed again; look at the disk"):
        file.read(lambda connection: None)
    (tmp_path / "e").unlink()
    file.write(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
    failures[:] = [sqlite3.OperationalError("disk I/O error")]
    with pytest.raises(OSError, match="database or disk is full; free some space"):
        file.read(lambda connection: fail(sqlite3.OperationalError("database or disk is full")))
    (tmp_path / "e").unlink()
    assert file.read(lambda connection: connection.execute("SELECT * FROM t").fetchall()) == []
    file.close()


def fail(error):
    raise error


GROWS = """
import re, sys
from pathlib import Path
from edge.events.database import Database


def anonymous():
    return int(re.search(r"Anonymous: +([0-9]+) kB", Path("/proc/self/smaps_rollup").read_text())[1])


def rows(count):
    for _ in range(count):
        file.write(lambda connection: connection.executemany("INSERT INTO t VALUES (?)", [("x" * 300,)] * 100))


file = Database(Path(sys.argv[1]), "CREATE TABLE t (words TEXT)", lambda connection: None)
rows(2)
before = anonymous()
rows(90)
print(anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux 4.14")
def test_a_file_of_megabytes_takes_no_more_memory_than_a_small_one(tmp_path):
    line = [sys.executable, "-c", GROWS, str(tmp_path / "large")]
    grown = int(subprocess.run(line, check=True, capture_output=True, timeout=60).stdout)
    assert (tmp_path / "large").stat().st_size > 2 << 20
    assert grown < 800  # KiB


FULL = """
import resource, sys
from pathlib import Path
from edge.events.store import Store
sys.path.insert(0, sys.argv[2])
from test_store import KEEP, event
store = Store(Path(sys.argv[1]), KEEP)
store.add(event(0))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
added = failed = 0
for number in range(1, 200):
    try:
        store.add(event(number, label="x" * 500))
        added += 1
    except OSError as error:
        failed += 1
assert failed > 50 and store.counts().stored == added + 1 == len(store.waiting(999))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for number in range(1, 200):
    store.add(event(number, label="x" * 500))
assert store.counts().stored == 200 and store.damaged == 0
store.close()
"""


def test_a_file_that_can_grow_no_more_loses_nothing_and_goes_on_later(tmp_path):
    line = [sys.executable, "-c", FULL, str(tmp_path / "e"), str(Path(__file__).parent)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


KILLED = """
import itertools, sys
from pathlib import Path
from edge.events.store import Store
sys.path.insert(0, sys.argv[2])
from test_store import KEEP, event
store = Store(Path(sys.argv[1]), KEEP)
first = store.counts().stored
for number in itertools.count(first):
    store.add(event(number))
    print(number, flush=True)
    if number % 3 == 0:
        store.delivered([event(number).id])
    if number % 7 == 0:
        store.prune()
"""


def test_a_process_that_is_killed_at_any_moment_loses_no_event(tmp_path):
    path, chance = tmp_path / "e", random.Random(6)
    line = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    for _ in range(3):
        with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE) as child:
            told = [int(child.stdout.readline()) for _ in range(chance.randrange(1, 60))]
            child.send_signal(signal.SIGKILL)
            told += [int(each) for each in child.stdout.read().splitlines()]
        kept = numbers(each for _, each in read(path))
        assert kept[: told[-1] + 1] == list(range(told[-1] + 1))
        assert len(kept) <= told[-1] + 2, "at most the one that was being kept"
    with closing(Store(path, KEEP)) as store:
        assert store.counts().stored == len(kept)
        assert store.damaged == 0


# --- reading beside it


def test_a_reader_sees_what_was_kept_while_it_is_kept(begin, tmp_path):
    path = tmp_path / "with ? and #.sqlite"
    store = begin(path=path)
    for number in range(4):
        store.add(event(number, "cat" if number % 2 else "dog", NOON + timedelta(hours=number), previous="bird"))
    assert numbers(each for _, each in read(path)) == [0, 1, 2, 3]
    assert numbers(each for _, each in read(path, NOON + timedelta(hours=2))) == [2, 3]
    assert numbers(each for _, each in read(path, labels=("cat", "fish"))) == [1, 3]
    assert len(list(read(path, labels=("bird",)))) == 4
    assert [number for number, _ in read(path, after=2)] == [3, 4]


def test_a_reader_says_what_it_cannot_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none"))
    (tmp_path / "text").write_text("no database")
    with pytest.raises(OSError, match="text cannot be read as events: file is not a database"):
        list(read(tmp_path / "text"))


# --- against a model of it

DO = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 12)),
    st.tuples(st.just("delivered"), st.lists(st.integers(0, 12), max_size=3)),
    st.tuples(st.just("again"), st.none()),
    st.tuples(st.just("prune"), st.none()),
    st.tuples(st.just("delete"), st.none()),
)
FOLDERS = itertools.count()


@pytest.fixture(scope="module")
def folder():
    with in_memory() as path:
        yield path


@effort(max_examples=25)
@given(st.lists(DO, max_size=20))
def test_whatever_is_done_it_is_a_list_of_events_of_which_some_wait(folder, steps):
    path = folder / str(next(FOLDERS)) / "e"
    keep = Events(spool=4)
    store, stored, waiting, dropped = Store(path, keep), [], [], 0
    for what, value in steps:
        if what == "add":
            store.add(event(value))
            new = [] if value in stored else [value]
            stored, waiting = stored + new, waiting + new
            dropped, waiting = dropped + max(len(waiting) - 4, 0), waiting[-4:]
        elif what == "delivered":
            store.delivered([event(each).id for each in value])
            waiting = [each for each in waiting if each not in value]
        elif what == "prune":
            store.prune()
        elif what == "delete" and path.exists():
            path.unlink()
            stored, waiting, dropped = [], [], 0
        else:
            store.close()
            store = Store(path, keep)
        assert numbers(store.waiting(99)) == waiting
        assert store.counts() == Counts(len(stored), len(waiting), dropped)
    store.close()
