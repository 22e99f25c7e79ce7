import io
import re
import threading
import time
from datetime import datetime, timezone

import msgspec
import numpy as np
import pytest
from rich.console import Console

from edge.sinks import terminal
from edge.sinks.jsonl import JsonLines
from edge.sinks.outlet import CAPACITY, Outlet
from edge.sinks.terminal import PlainLines, View
from edge.types import Classification, Frame, Result, Timing

GUARD_S = 20.0
CAT = (Classification("Egyptian cat", 285, 0.7912345678), Classification("tabby", 281, 0.1))


def pair(index=0, answer=CAT, file=None, captured=1_000_000, finished=6_100_000):
    frame = Frame(pixels=np.zeros((2, 2, 3), np.uint8), index=index, captured_at_ns=captured, size=(2, 2), file=file)
    timing = Timing(preprocess=300_000, inference=3_600_000, postprocess=123_456)
    result = Result(
        frame=index,
        answer=answer,
        captured_at_ns=captured,
        finished_at_ns=finished,
        timing=timing,
        backend="litert-cpu",
        model="mobilenet",
    )
    return frame, result


# --- JSON lines


def test_a_json_line_has_exactly_the_documented_keys():
    out = io.BytesIO()
    sink = JsonLines(out, "camera:0")
    sink.write(*pair(7))
    sink.close()
    assert out.getvalue().endswith(b"}\n") and out.getvalue().count(b"\n") == 1
    found = msgspec.json.decode(out.getvalue())
    stamp = found.pop("captured_at")
    assert found == {
        "frame": 7,
        "source": "camera:0",
        "backend": "litert-cpu",
        "model": "mobilenet",
        "age_ms": 5.1,
        "timing_ms": {"preprocess": 0.3, "inference": 3.6, "postprocess": 0.123},
        "predictions": [
            {"label": "Egyptian cat", "index": 285, "score": 0.791235},
            {"label": "tabby", "index": 281, "score": 0.1},
        ],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)


def test_the_keys_come_in_the_documented_order():
    out = io.BytesIO()
    JsonLines(out, "s").write(*pair())
    keys = list(msgspec.json.decode(out.getvalue()))
    assert keys == ["frame", "source", "backend", "model", "captured_at", "age_ms", "timing_ms", "predictions"]


def test_the_file_is_told_where_the_source_holds_several():
    out = io.BytesIO()
    JsonLines(out, "s").write(*pair(file="a.jpg"))
    assert msgspec.json.decode(out.getvalue())["file"] == "a.jpg"


def test_the_time_of_capture_is_wall_clock():
    out = io.BytesIO()
    now = time.monotonic_ns()
    JsonLines(out, "s").write(*pair(captured=now - 3_600_000_000_000, finished=now))
    stamp = datetime.fromisoformat(msgspec.json.decode(out.getvalue())["captured_at"].replace("Z", "+00:00"))
    assert abs((datetime.now(timezone.utc) - stamp).total_seconds() - 3600) < 30


def test_an_answer_without_classes_is_an_empty_list():
    out = io.BytesIO()
    JsonLines(out, "s").write(*pair(answer=()))
    assert msgspec.json.decode(out.getvalue())["predictions"] == []


def test_odd_labels_stay_one_line():
    out = io.BytesIO()
    JsonLines(out, "s").write(*pair(answer=(Classification('a\n"b"\u2028ü', 1, 1.0),)))
    assert out.getvalue().count(b"\n") == 1
    assert msgspec.json.decode(out.getvalue())["predictions"][0]["label"] == 'a\n"b"\u2028ü'


# --- plain lines


def test_a_plain_line_tells_frame_answer_time_and_backend():
    out = io.StringIO()
    sink = PlainLines(out)
    sink.write(*pair(3))
    sink.write(*pair(4, answer=(), file="a.jpg"))
    sink.close()
    assert out.getvalue() == (
        "frame 3: Egyptian cat 0.79, tabby 0.10 (3.6 ms, litert-cpu)\n"
        "a.jpg: nothing above the threshold (3.6 ms, litert-cpu)\n"
    )


# --- the view


def drawn(renderable):
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


def test_the_view_shows_labels_bars_and_figures():
    results = [pair(n, finished=6_100_000 + n * 40_000_000, captured=1_000_000 + n * 40_000_000)[1] for n in range(5)]
    text = drawn(terminal.render("camera:0", pair(4)[0], results, 12))
    for words in ("camera:0 · mobilenet", "frame 4", "Egyptian cat", "79.1%", "tabby", "10.0%", "litert-cpu"):
        assert words in text
    assert "25.0 FPS   latency 4.0 ms (inference 3.6)   age 5.1 ms   dropped 12" in text
    assert "━" in text


def test_the_view_of_an_empty_answer_says_so_and_names_the_file():
    frame, result = pair(2, answer=(), file="cat.jpg")
    text = drawn(terminal.render("t", frame, [result], 0))
    assert "nothing above the threshold" in text
    assert "cat.jpg" in text
    assert "- FPS" in text


def test_a_label_or_source_in_brackets_is_shown_as_it_is():
    frame, result = pair(answer=(Classification("a [bold]b[/bold] [/x]", 1, 0.5),))
    text = drawn(terminal.render("scripted:[red]x[/red] [/y]", frame, [result], 0))
    assert "a [bold]b[/bold] [/x]" in text
    assert "scripted:[red]x[/red] [/y]" in text


def test_the_view_stays_in_place_and_leaves_the_last_picture():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = View("camera:0", lambda: 3, console)
    for n in range(3):
        view.write(*pair(n))
    view.close()
    text = console.file.getvalue()
    assert "Egyptian cat" in text
    assert "dropped 3" in text


def test_the_last_result_is_what_the_view_leaves_standing():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = View("camera:0", lambda: 0, console)
    for n in range(4):  # at once: all but the first fall between two pictures
        view.write(*pair(n))
    view.close()
    assert "frame 3" in console.file.getvalue()


def test_the_view_is_not_drawn_more_often_than_a_screen_can_show():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = View("camera:0", lambda: 0, console)
    for n in range(200):
        view.write(*pair(n))
    view.close()
    assert len(re.findall(r"frame \d+", console.file.getvalue())) < 100


# --- the outlet


class Recorder:
    """Takes results as slowly as its gate lets it."""

    def __init__(self, gate=None, fail_at=None):
        self.seen, self.closed, self.gate, self.fail_at = [], 0, gate, fail_at

    def write(self, frame, result):
        if self.gate:
            assert self.gate.wait(GUARD_S)
        if len(self.seen) == self.fail_at:
            raise BrokenPipeError("nobody reads")
        self.seen.append(frame.index)

    def close(self):
        self.closed += 1


def test_a_lossless_outlet_writes_everything_in_order_and_then_closes():
    sink = Recorder()
    outlet = Outlet(sink, lossless=True)
    for n in range(3 * CAPACITY):
        outlet.write(*pair(n))
    outlet.close()
    assert sink.seen == list(range(3 * CAPACITY))
    assert (outlet.dropped, sink.closed) == (0, 1)


def test_a_slow_sink_of_a_live_run_never_stalls_it_and_its_drops_are_counted():
    gate = threading.Event()
    sink = Recorder(gate)
    outlet = Outlet(sink, lossless=False)
    for n in range(5 * CAPACITY):  # the sink has not taken one
        outlet.write(*pair(n))
    gate.set()
    outlet.close()
    assert sink.seen[-CAPACITY:] == list(range(4 * CAPACITY, 5 * CAPACITY))
    assert outlet.dropped + len(sink.seen) == 5 * CAPACITY


def test_a_sink_that_hangs_does_not_hold_up_the_end_of_a_live_run():
    gate = threading.Event()
    outlet = Outlet(Recorder(gate), lossless=False)
    outlet.write(*pair())
    outlet.close(timeout_s=0.05)
    gate.set()


@pytest.mark.parametrize("lossless", [True, False])
def test_an_error_of_a_sink_reaches_the_loop(lossless):
    outlet, raised = Outlet(Recorder(fail_at=2), lossless=lossless), []

    def write():
        try:
            while True:
                outlet.write(*pair())
        except BrokenPipeError as error:
            raised.append(error)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(GUARD_S)
    assert raised
    with pytest.raises(BrokenPipeError, match="nobody reads"):
        outlet.close()


def test_an_error_while_a_sink_finishes_is_not_lost():
    class Failing(Recorder):
        def close(self):
            raise OSError("disk full")

    outlet = Outlet(Failing(), lossless=True)
    outlet.write(*pair())
    with pytest.raises(OSError, match="disk full"):
        outlet.close()


def test_what_a_stuck_sink_did_not_write_is_counted():
    gate = threading.Event()
    sink = Recorder(gate)
    outlet = Outlet(sink, lossless=True)
    for index in range(5):
        outlet.write(*pair(index))
    outlet.stop()
    assert not outlet.write(*pair(5))
    outlet.close(timeout_s=0.05)
    assert (outlet.dropped, sink.seen) == (5, [])
    gate.set()
