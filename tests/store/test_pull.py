import errno
import os
import random
import resource
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import models
from edge.errors import FetchError, ModelError
from edge.models import card as cards
from edge.models.store import Pull, Report, folder
from edge.models.store.http import SLOWEST, TRIES
from edge.models.store.part import MOST_POLLS

DATA = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


def pull(entry, to=None, *, stall=5.0, sleep=lambda seconds: None, report=None):
    return Pull(entry, to, stall=stall, sleep=sleep, report=report)()


def kept(home):
    """What lies in the store, parts by their size."""
    parts = home / ".parts"
    sizes = [path.stat().st_size for path in parts.iterdir()] if parts.is_dir() else []
    return sorted(path.name for path in home.glob("*") if path != parts), sizes


def refused(home, entry, words, *, parts=(), **how):
    with pytest.raises(FetchError, match=words) as caught:
        pull(entry, **how)
    assert "\n" not in str(caught.value)
    assert kept(home) == ([], list(parts))


# --- what goes well


def test_a_model_lands_with_its_labels_and_its_card(server, home, kit):
    labels = "".join(f"class {i}\n" for i in range(12)).encode()
    files = (
        kit.pinned(DATA, server.on(kit.serve(DATA))),
        kit.pinned(labels, server.on(kit.serve(labels), path="/l"), suffix=".txt"),
    )
    path = pull(kit.entry(*files, fit="crop"))
    assert (path, path.read_bytes()) == (home / "m.tflite", DATA)
    assert kept(home) == (["m.tflite", "m.toml", "m.txt"], [])
    assert (home / "m.txt").read_bytes() == labels
    card = cards.read(home / "m.toml")
    assert (card.name, card.sha256, card.fit, card.classes) == ("M", files[0].sha256, "crop", 12)
    assert models.pulled() == {"m": path}


def test_what_is_there_is_not_fetched_again_and_what_is_wrong_is(server, home, kit):
    wanted, lines = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA)))), []
    path = pull(wanted)
    server.requests.clear()
    assert pull(wanted, report=Report(say=lines.append)) == path
    assert server.requests == []
    assert lines == [f"{path}: already there, and it is the file that is pinned"]
    path.write_bytes(OTHER)
    pull(wanted)
    assert path.read_bytes() == DATA


def test_a_card_that_was_lost_is_written_again_and_one_that_fits_is_kept(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    pull(wanted)
    mine = f'name = "mine"\nsha256 = "{wanted.model.sha256}"\n'
    (home / "m.toml").write_text(mine)
    pull(wanted)
    assert (home / "m.toml").read_text() == mine
    (home / "m.toml").write_text("torn =")
    pull(wanted)
    assert cards.read(home / "m.toml").name == "M"
    assert len(server.requests) == 1


def test_progress_is_told_to_the_last_byte(server, home, kit):
    told = []
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    pull(wanted, report=Report(progress=lambda *step: told.append(step)))
    assert {name for name, _, _ in told} == {"m.tflite"}
    so_far = [step[1] for step in told]
    assert so_far == sorted(so_far) and so_far[-1] == len(DATA) == told[0][2]


def test_a_folder_of_the_users_own_takes_the_files_and_none_there_is_replaced(server, home, kit, tmp_path):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    mine = tmp_path / "mine"
    assert pull(wanted, mine) == mine / "m.tflite"
    assert sorted(path.name for path in mine.iterdir()) == ["m.tflite", "m.toml"]
    assert kept(home) == ([], [])
    (mine / "m.tflite").write_bytes(b"my own")
    with pytest.raises(FetchError, match=r"m\.tflite is there, and another file; move it away"):
        pull(wanted, mine)
    assert (mine / "m.tflite").read_bytes() == b"my own"


def test_a_card_of_the_users_own_is_not_replaced_either(server, home, kit, tmp_path):
    (tmp_path / "m.toml").write_text('name = "mine"\n')
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    with pytest.raises(FetchError, match=r"m\.toml is there, and no card of this model; move it away"):
        pull(wanted, tmp_path)
    assert (tmp_path / "m.toml").read_text() == 'name = "mine"\n'
    assert not (tmp_path / "m.tflite").exists()


@pytest.fixture
def elsewhere(home):
    """A folder on another disk."""
    if not os.access("/dev/shm", os.W_OK) or Path("/dev/shm").stat().st_dev == home.parents[2].stat().st_dev:
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def test_a_folder_on_another_disk_takes_the_files_too(server, home, kit, elsewhere):
    path = pull(kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA)))), elsewhere / "m")
    assert path.read_bytes() == DATA
    assert kept(home) == ([], [])


def test_a_redirect_is_followed(server, home, kit):
    server.on(kit.serve(DATA), path="/b")
    assert pull(kit.entry(kit.pinned(DATA, server.on(kit.redirect("/b"))))).read_bytes() == DATA


# --- going on


def test_a_download_that_was_cut_goes_on_where_it_was(server, home, kit):
    pauses = []
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA, cut=100_000), kit.serve(DATA))))
    assert pull(wanted, sleep=pauses.append).read_bytes() == DATA
    assert server.ranges() == [None, "bytes=100000-"]
    assert pauses == [1.0]


def test_what_arrived_before_a_failure_is_used_by_the_next_pull(server, home, kit):
    address = server.on(kit.serve(DATA, cut=120_000), kit.status(404))
    wanted = kit.entry(kit.pinned(DATA, address))
    refused(home, wanted, r"HTTP 404 .*120,000 bytes are kept, and the next pull goes on from there", parts=[120_000])
    server.ranges()
    server.on(kit.serve(DATA))
    assert pull(wanted).read_bytes() == DATA
    assert server.ranges() == ["bytes=120000-"]


def test_a_part_that_is_complete_only_has_to_land(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.status(500))))
    (home / ".parts").mkdir(parents=True)
    (home / ".parts" / f"{wanted.model.sha256}.part").write_bytes(DATA)
    assert pull(wanted).read_bytes() == DATA
    assert server.requests == []


@pytest.mark.parametrize("torn", [OTHER[:100_000], OTHER, OTHER + b"more"], ids=["short", "whole", "long"])
def test_a_part_that_holds_something_else_is_fetched_again_from_the_beginning(server, home, kit, torn):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    (home / ".parts").mkdir(parents=True)
    (home / ".parts" / f"{wanted.model.sha256}.part").write_bytes(torn)
    assert pull(wanted).read_bytes() == DATA
    assert kept(home) == (["m.tflite", "m.toml"], [])


def test_a_file_that_changes_between_two_requests_is_fetched_whole(server, home, kit):
    steps = (kit.serve(OTHER, cut=100_000, etag='"old"'), kit.serve(DATA, etag='"new"'))
    assert pull(kit.entry(kit.pinned(DATA, server.on(*steps)))).read_bytes() == DATA
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, '"old"']
    assert len(server.requests) == 2


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_change_that_no_etag_tells_of_is_found_by_the_hash(server, home, kit, etag):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(OTHER, cut=100_000, etag=etag), kit.serve(DATA))))
    assert pull(wanted).read_bytes() == DATA
    assert not any("If-Range" in headers for _, headers in server.requests)
    assert server.ranges() == [None, "bytes=100000-", None]


def test_a_server_that_ignores_ranges_sends_it_all_again(server, home, kit):
    steps = (kit.serve(DATA, cut=100_000), kit.serve(DATA, ranges=False))
    assert pull(kit.entry(kit.pinned(DATA, server.on(*steps)))).read_bytes() == DATA


def test_a_range_that_the_server_cannot_serve_begins_again(server, home, kit):
    steps = (kit.serve(DATA, cut=100_000), kit.status(416), kit.serve(DATA))
    assert pull(kit.entry(kit.pinned(DATA, server.on(*steps)))).read_bytes() == DATA
    assert server.ranges() == [None, "bytes=100000-", None]


@pytest.mark.parametrize(
    "said", ["bytes 5-299999/300000", "bytes 100000-299999/7", "bytes */300000", "lines 1-2", None]
)
def test_another_range_than_was_asked_for_is_not_appended(server, home, kit, said):
    headers = {"Content_Range": said} if said else {}
    steps = (kit.serve(DATA, cut=100_000), kit.raw(206, DATA[5:], **headers), kit.serve(DATA))
    assert pull(kit.entry(kit.pinned(DATA, server.on(*steps)))).read_bytes() == DATA


def test_a_range_of_a_file_of_unknown_length_is_taken(server, home, kit):
    steps = (
        kit.serve(DATA, cut=100_000),
        kit.raw(206, DATA[100_000:], Content_Range="bytes 100000-299999/*"),
        kit.status(404),
    )
    assert pull(kit.entry(kit.pinned(DATA, server.on(*steps)))).read_bytes() == DATA


Cut = st.tuples(st.integers(0, len(DATA)), st.sampled_from([None, '"a"']), st.booleans())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(Cut, max_size=TRIES - 1), first=st.integers(0, len(DATA)), rubbish=st.booleans())
def test_wherever_it_was_cut_the_bytes_are_right(server, home, kit, cuts, first, rubbish):
    steps = [kit.serve(DATA, cut=cut, etag=etag, ranges=ranges) for cut, etag, ranges in cuts]
    wanted = kit.entry(kit.pinned(DATA, server.on(*steps, kit.serve(DATA))))
    (home / ".parts").mkdir(parents=True, exist_ok=True)
    (home / ".parts" / f"{wanted.model.sha256}.part").write_bytes((OTHER if rubbish else DATA)[:first])
    path = pull(wanted)
    assert path.read_bytes() == DATA
    path.unlink()
    assert kept(home) == (["m.toml"], [])


# --- what goes wrong


def test_a_server_that_falls_silent_is_left_after_the_time_that_was_given(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.stall(DATA, 1000))))
    refused(home, wanted, rf"silent, or nearly so, for 0\.2 s \(tried {TRIES} times\)", stall=0.2, parts=[5000])
    assert len(server.requests) == TRIES


def test_a_server_that_never_answers_is_left_too(server, home, kit):
    refused(home, kit.entry(kit.pinned(DATA, server.on(kit.stall(DATA, -1)))), "silent, or nearly so", stall=0.1)


@pytest.mark.parametrize("header", [False, True])
def test_a_server_that_sends_byte_by_byte_counts_as_silent(server, home, kit, header):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.drip(header), kit.status(404))))
    assert SLOWEST > 20
    with pytest.raises(FetchError, match="HTTP 404"):
        pull(wanted, stall=0.3)


def test_a_server_that_is_slow_but_not_silent_is_waited_for(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.slowly(DATA, 24))))
    assert pull(wanted, stall=0.6).read_bytes() == DATA
    assert len(server.requests) == 1


def test_tries_are_bounded_and_wait_longer_each_time(server, home, kit):
    pauses = []
    refused(
        home,
        kit.entry(kit.pinned(DATA, server.on(kit.status(503)))),
        f"HTTP 503 Service Unavailable .tried {TRIES} times",
        sleep=pauses.append,
    )
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert len(server.requests) == TRIES


def test_a_connection_that_brings_the_file_on_does_not_count_as_a_failed_try(server, home, kit):
    address = server.on(*[kit.serve(DATA, cut=20_000)] * 14, kit.serve(DATA))
    assert pull(kit.entry(kit.pinned(DATA, address))).read_bytes() == DATA
    assert len(server.requests) == 15


def test_a_server_that_takes_back_what_it_gave_is_left(server, home, kit):
    steps = [kit.serve(DATA, cut=100_000), kit.status(416)] * 20
    refused(home, kit.entry(kit.pinned(DATA, server.on(*steps))), f"tried {TRIES} times", parts=[100_000])


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_what_the_server_refuses_for_good_is_not_asked_for_twice(server, home, kit, code):
    refused(home, kit.entry(kit.pinned(DATA, server.on(kit.status(code)))), f"m.tflite cannot be had: .*HTTP {code}")
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [408, 429, 500])
def test_what_may_pass_is_asked_for_again(server, home, kit, code):
    assert pull(kit.entry(kit.pinned(DATA, server.on(kit.status(code), kit.serve(DATA))))).read_bytes() == DATA


def test_other_bytes_of_the_same_length_are_refused_and_nothing_is_kept(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(OTHER))))
    refused(home, wanted, r"it gives another file \(sha256 .{12}…, pinned .{12}…\), which was refused")
    assert len(server.requests) == 1


def test_a_file_of_another_length_is_refused_before_it_is_read(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA + b"!"))))
    refused(home, wanted, "it offers 300,001 bytes, where 300,000 are pinned")


def test_a_body_shorter_than_its_length_ends_as_cut(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.raw(200, DATA[:9], length=len(DATA)))))
    refused(home, wanted, "it ended after 9 of 300,000 bytes", parts=[9])


def test_an_endless_body_is_read_no_further_than_the_pinned_size(server, home, kit):
    refused(home, kit.entry(kit.pinned(DATA, server.on(kit.endless()))), "it gives another file")
    assert server.sent < 1 << 24


def test_an_endless_body_of_a_redirect_is_not_read(server, home, kit):
    server.on(kit.serve(DATA), path="/b")
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.endless(302, Location="/b"))))
    assert pull(wanted).read_bytes() == DATA
    assert server.sent < 1 << 24


def test_redirects_in_a_circle_end(server, home, kit):
    server.on(kit.redirect("/file"), path="/b")
    refused(home, kit.entry(kit.pinned(DATA, server.on(kit.redirect("/b")))), "HTTP 302.*: it leads on without an end")
    assert len(server.requests) < 12


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/m", "file:///etc/passwd"])
def test_a_redirect_away_from_http_is_refused(server, home, kit, to):
    refused(home, kit.entry(kit.pinned(DATA, server.on(kit.redirect(to)))), "m.tflite cannot be had: .*(leads on|302)")


def test_https_is_never_left_for_http():
    from urllib.request import Request

    from edge.models.store.http import _Redirects

    body = open(os.devnull, "rb")  # noqa: PTH123, SIM115 - closed by what is tested
    with pytest.raises(FetchError, match="it leads on to http://b/m, which is not https"):
        _Redirects().redirect_request(Request("https://a/m"), body, 302, "Found", None, "http://b/m")
    assert body.closed


def test_an_answer_without_a_file_is_refused(server, home, kit):
    refused(home, kit.entry(kit.pinned(DATA, server.on(kit.raw(204, b"")))), "HTTP 204: no file")


def test_nonsense_instead_of_http_is_refused(server, home, kit):
    wanted = kit.entry(kit.pinned(DATA, server.on(lambda handler: handler.say(b"220 ftp ready\r\n"))))
    refused(home, wanted, f"220 ftp ready .tried {TRIES} times")


def test_nobody_at_the_address_is_refused(home, kit):
    refused(home, kit.entry(kit.pinned(DATA, "http://127.0.0.1:1/m")), "Connection refused")


def test_the_next_source_is_asked_and_the_error_has_the_reason_of_each(server, home, kit):
    bad, good = server.on(kit.serve(OTHER), path="/bad"), server.on(kit.serve(DATA), path="/good")
    assert pull(kit.entry(kit.pinned(DATA, bad, good))).read_bytes() == DATA
    (home / "m.tflite").unlink()
    (home / "m.toml").unlink()
    gone = server.on(kit.status(404), path="/gone")
    refused(home, kit.entry(kit.pinned(DATA, bad, gone)), f"{bad}: it gives another file.*; {gone}: HTTP 404 Not Found")


def test_labels_that_cannot_be_had_leave_no_model(server, home, kit):
    files = (
        kit.pinned(DATA, server.on(kit.serve(DATA))),
        kit.pinned(b"a\n", server.on(kit.status(404), path="/l"), suffix=".txt"),
    )
    with pytest.raises(FetchError, match=r"m\.txt cannot be had"):
        pull(kit.entry(*files))
    assert kept(home)[0] == []
    assert models.pulled() == {}


# --- two at once


def test_two_pulls_at_once_fetch_once_and_both_have_it(server, home, kit):
    gate = threading.Event()

    def gated(handler):
        gate.wait(30)
        kit.serve(DATA)(handler)

    wanted, waited, found = kit.entry(kit.pinned(DATA, server.on(gated))), threading.Event(), []
    first = threading.Thread(target=lambda: found.append(pull(wanted)))
    first.start()
    while not server.requests:
        assert first.is_alive()
    report = Report(say=lambda line: waited.set() if "another pull" in line else None)
    pauses = threading.Event()
    second = threading.Thread(
        target=lambda: found.append(pull(wanted, report=report, sleep=lambda s: pauses.wait(0.01) and None))
    )
    second.start()
    assert waited.wait(30)
    gate.set()
    first.join(30)
    second.join(30)
    assert found == [home / "m.tflite"] * 2
    assert (home / "m.tflite").read_bytes() == DATA
    assert len(server.requests) == 1
    assert kept(home) == (["m.tflite", "m.toml"], [])


def test_the_wait_for_another_pull_is_bounded(server, home, kit):
    import fcntl

    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    part = home / ".parts" / f"{wanted.model.sha256}.part"
    part.parent.mkdir(parents=True)
    with part.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        pauses = []
        with pytest.raises(FetchError, match="another process has been fetching it for minutes"):
            pull(wanted, sleep=pauses.append)
    assert len(pauses) == MOST_POLLS


# --- disks


def test_a_file_that_the_disk_refuses_leaves_one_line_and_nothing_else(server, home, kit, small_files):
    address = server.on(kit.serve(DATA))
    words = f"{os.strerror(errno.EFBIG)}; make room there, or set XDG_DATA_HOME"
    refused(home, kit.entry(kit.pinned(DATA, address, address)), words)
    assert len(server.requests) == 1  # another source would not help


def test_a_disk_without_room_is_refused_before_anything_is_fetched(server, home, kit):
    home.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", home], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        refused(
            home,
            kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA)))),
            r"300,000 bytes are needed, and [\d,]+ are free; make room",
        )
        assert server.requests == []
    finally:
        subprocess.run(["umount", home], check=True)


def test_another_disk_that_takes_no_more_than_labels_and_card_is_left_without_them(
    server, home, kit, elsewhere, small_files
):
    labels = kit.pinned(b"a\n", server.on(kit.serve(b"a\n"), path="/l"), suffix=".txt")
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))), labels)
    part = home / ".parts" / f"{wanted.model.sha256}.part"
    part.parent.mkdir(parents=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1], limits[1]))
    part.write_bytes(DATA)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(FetchError, match=rf"{elsewhere}/m\.tflite: {os.strerror(errno.EFBIG)}; make it writable"):
        pull(wanted, elsewhere)
    assert list(elsewhere.iterdir()) == []
    assert kept(home) == ([], [len(DATA)])


def test_another_disk_without_room_is_refused_before_anything_is_fetched(server, home, kit, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        words = r"small: 300,000 bytes are needed, and [\d,]+ are free; make room, or give another folder"
        refused(home, kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA)))), words, to=place)
        assert server.requests == [] and list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)


# --- names


def test_a_model_with_the_name_of_one_that_ships_is_refused_but_not_in_a_folder(server, home, kit, tmp_path):
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))), name=models.DEFAULT)
    with pytest.raises(ModelError, match=rf"model {models.DEFAULT}: one of that name ships, and would run instead; "):
        pull(wanted)
    assert server.requests == [] and not home.exists()
    assert pull(wanted, tmp_path / "mine").read_bytes() == DATA


def test_two_models_of_one_name_do_not_come_into_the_store(server, home, kit):
    address = server.on(kit.serve(DATA))
    pull(kit.entry(kit.pinned(DATA, address)))
    with pytest.raises(ModelError, match=r"model m: .*m\.tflite has that name; move it away, or give it another name"):
        pull(kit.entry(kit.pinned(DATA, address, suffix=".onnx")))
    assert kept(home) == (["m.tflite", "m.toml"], [])


def test_what_a_server_says_neither_steers_the_terminal_nor_fills_it(server, home, kit):
    said = b"HTTP/1.1 404 Not\x1b[2J Found " + b"!" * 999 + b"\r\nContent-Length: 0\r\n\r\n"
    rubbish = b"\x1b]0;title\x07" + b"\x00\x9b" * 3000 + b"\r\n"
    for answer in (said, rubbish):
        wanted = kit.entry(kit.pinned(DATA, server.on(lambda handler, answer=answer: handler.say(answer))))
        with pytest.raises(FetchError) as caught:
            pull(wanted)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 400


# --- the store


def test_a_store_that_cannot_be_made_is_refused(server, home, kit, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(FetchError, match=r"home/edgekit.*: Not a directory; make it writable, or say where else"):
        pull(kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA)))))


def test_a_place_that_is_taken_by_a_folder_is_refused(server, home, kit):
    (home / "m.tflite").mkdir(parents=True)
    with pytest.raises(FetchError, match=r"m\.tflite.*: Is a directory; make it writable"):
        pull(kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA)))))


def test_without_a_home_a_folder_must_be_given_and_is_enough(server, kit, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654)
    wanted = kit.entry(kit.pinned(DATA, server.on(kit.serve(DATA))))
    with pytest.raises(FetchError, match="there is no home folder to keep models in; set XDG_DATA_HOME, or say where"):
        pull(wanted)
    assert pull(wanted, tmp_path / "mine").read_bytes() == DATA


def test_the_store_lies_where_data_is_kept(home):
    assert folder() == home
