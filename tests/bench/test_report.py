"""Records as a page, as Markdown, as CSV and on a terminal."""

import base64
import csv
import hashlib
import io
import re
import sys
from html.parser import HTMLParser

import made
import msgspec
import pytest
from edge.benchmarks.cli import cli as group
from edge.benchmarks.record import Frames, Memory, Moment, Record, Settings, Warmup, save
from edge.benchmarks.report import html, markdown, plots, svg, sweeps, table, text, words
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from edge.cli import execute

LETTERS = "<>\"'&=/ abX-!`*_[]()|\\~$#\n\r\t\x00\x1b\u202e\ufeff漢🙂:;{}@+"
HOSTILE = st.text(st.sampled_from(LETTERS), max_size=24) | st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        '"><img src=http://evil.example/x onerror=alert(1)>',
        "</style></title></svg></pre></table>",
        "<!-- ", "]]>", "--><b>", "&lt;b&gt;", "[red]x[/red]", "![x](http://evil.example)", "<http://evil.example>",
        "=HYPERLINK(\"http://evil.example\")", "\n\n# heading\n\n- item", "| a | b |", "~~x~~", "**x**", "`x`",
    ]
)  # fmt: skip


def poisoned(record, words):
    """The record with these words in the place of every text that is free."""
    fixed = {"verdict", "family"}

    def change(value, key=None):
        if isinstance(value, dict):
            return {named(name): change(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [change(each) for each in value]
        return words if isinstance(value, str) and key not in fixed else value

    def named(name):
        return words if name in {"invoke", "numpy"} else name

    return msgspec.convert(change(msgspec.to_builtins(record)), Record)


def small(**changes):
    """A result whose figures can be checked by hand."""
    told = {
        "samples": [2.0, 3.0, 4.0, 3.0],
        "fps": 333.25,
        "stages_ms": {"invoke": made.summary([2.5]), "copy": made.summary([0.5])},
        "watch": [],
        "yardstick": None,
    }
    return made.result(**{**told, **changes})


class Page(HTMLParser):
    """Tags, attributes and texts of a page, as a browser sees them."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in {"meta", "link", "wbr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


def texts(*records):
    return re.sub(r"\s+", " ", " ".join(Page(html.page(list(records))).texts))


def shown(result, width=80, terminal=False):
    out = io.StringIO()
    text.show(result, made.facts(), Console(file=out, width=width, force_terminal=terminal))
    return out.getvalue()


@pytest.fixture
def report(capfdbinary):
    def run(*arguments):
        code = execute(["report", *map(str, arguments)], False, group, "edge-bench")
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "record.json"
    save(made.record(results=[small(), made.bare()]), path)
    return path


# Words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"), (0.0001234567, "0.0001235"), (0.5, "0.5000"), (24.30712, "24.31"), (999.96, "1,000.0"),
        (1234.5, "1,234"), (123456789, "123,456,789"), (1e15, "1e+15"), (-2.5, "-2.500"), (1e-12, "1e-12"),
    ],
)  # fmt: skip
def test_a_number_has_four_significant_digits_and_no_needless_power_of_ten(value, expected):
    assert words.number(value) == expected


def test_a_terminal_shows_all_figures_and_the_verdict_last():
    lines = shown(small(verdict="suspect", warnings=[made.caution(text="it drifts", advice="wait")])).splitlines()
    assert [line.rstrip() for line in lines] == [
        "interpreter · mobilenet_v2_1.0_224_int8 · litert-cpu · 4 threads  on Raspberry",
        "Pi 4 Model B Rev 1.4",
        "  latency   median 3.000 ms",
        "            mean 3.000 ms   min 2.000 ms   max 4.000 ms   spread 1.000 ms",
        "            too few samples for p90 (64), p95 (130), p99 (662), p99.9 (6,636)",
        "            4 samples in 0.0120 s: set input, invoke, read output",
        "  stages    invoke 2.50 ms   copy 0.500 ms",
        "  rate      333.2 FPS",
        "  memory    peak 96.0 MiB, steady 90.0 MiB (harness included)",
        "            model 3.80 MiB",
        "  start     init 182.4 ms, first inference 41.90 ms",
        "            warm-up 1.20 s: until two halves of 16 agree within 2 %",
        "  power     5.12 W (idle 2.71 W, peak 5.61 W)",
        "            0.123 J/inference gross, net 0.0578 J, 8.14 inferences/J",
        "            hwmon ina219: covers the whole board, at its 5 V input",
        "            it misses the loss in the power supply",
        "  fidelity  same first class in 100.0 % of 24 pictures",
        "            largest score difference 0, against litert-cpu, 1 thread",
        "  host      governor performance   clock 1,800 of 1,800 MHz",
        "            temperature 48.2 to 60.1 °C   held back: never",
        "  harness   3.10 µs a sample (0.1 % of the median)",
        "            watching host and meter 0.42 % of a core",
        "  verdict   suspect",
        "            suspect: it drifts",
        "              wait",
        "",
    ]


def test_the_temperature_of_an_edge_tpu_stands_beside_that_of_the_board():
    result = made.result(host_before=made.state(accelerator_c=41.0), host_after=made.state(accelerator_c=63.5))
    assert "°C, of the Edge TPU 41.0 to 63.5 °C held back" in " ".join(shown(result).split())


def test_what_was_not_measured_is_said_in_words_and_is_never_0():
    told = shown(made.bare())
    assert [line.rstrip() for line in told.splitlines()[2:14]] == [
        "  latency   not measured: the interpreter failed on its first input",
        "  stages    not measured: the interpreter failed on its first input",
        "  rate      not measured",
        "  memory    not measured",
        "            model 3.80 MiB",
        "  start     init not measured, first inference not measured",
        "  power     not measured: this machine has no meter",
        "  fidelity  not measured: there is no reference for this model",
        "  host      governor not measured   clock not measured",
        "            temperature not measured   throttling not measured",
        "  harness   not measured",
        "  error     the interpreter failed on its first input",
    ]
    assert not re.search(r"(?<![\d.])0(?![\d.])", told)


def test_a_narrow_terminal_gets_no_line_that_is_too_long():
    camera = made.result(
        model="a_model_with_a_long_name_" * 6,
        age_ms=made.summary(made.latencies(700, 48.0)),
        frames=Frames(answered=700, replaced=30, undecodable=1),
        streams=[made.stream(fps=20.0), made.stream(fps=21.0)],
        backend_reasons=["there is no Edge TPU on the bus"],
        warmup=Warmup(rule="two halves agree", settled=False, seconds=60.0, samples_ms=[]),
    )
    told = shown(camera, width=60)
    assert max(map(len, told.splitlines())) <= 60
    for part in (
        "litert-cpu, because there is no Edge TPU on the bus", "warm-up 60.0 s, not settled", "41.00 FPS in total",
        "20.00 to 21.00 each", "700 answered, 30 replaced by newer ones, 1 undecodable", "age at the result: median",
    ):  # fmt: skip
        assert part in re.sub(r"\s+", " ", told)
    assert shown(camera, 60, terminal=True).count("\x1b[") > 10


def test_a_meter_that_tells_little_is_told_of_as_little():
    little = made.power(
        idle_watts=None,
        peak_watts=None,
        joules_per_inference=None,
        joules_per_inference_net=None,
        inferences_per_joule=None,
    )
    assert words.of_power(small(power=little))[:2] == [
        "5.12 W (idle not measured, peak not measured)",
        "joules an inference: not measured",
    ]
    net = made.power(joules_per_inference_net=None, inferences_per_joule=None)
    assert words.energy(net) == "0.123 J/inference gross, net not measured"


def test_what_held_the_machine_back_at_any_time_is_told():
    hot = list(made.moments(2, limits=("throttled",), clock_mhz=600.0, temperature_c=85.0))
    assert words.of_host(small(watch=hot, host_before=made.state(limits=("under-voltage",)))) == [
        "governor performance   clock 600 of 1,800 MHz   temperature 48.2 to 85.0 °C   "
        "held back: throttled, under-voltage"
    ]


def test_a_terminal_is_not_steered_by_a_record():
    record = poisoned(made.record(results=[small(warnings=[made.caution()])]), "a\x1b[2Jb[red]c[/red]")
    told = shown(record.results[0])
    assert "\x1b" not in told
    assert "a[2Jb[red]c[/red]" in told


# Page


@settings(max_examples=40)
@given(HOSTILE)
def test_nothing_in_a_record_breaks_out_of_the_page(words):
    record = poisoned(made.record(results=[small(warnings=[made.caution()]), made.bare()]), words)
    page = Page(html.page([record]))
    plain = Page(html.page([made.record(results=[small(warnings=[made.caution()]), made.bare()])]))
    assert set(page.tags) <= set(plain.tags) | {"b", "wbr"}
    assert page.open == []
    assert {(tag, name) for tag, name, _ in page.attributes} == {(tag, name) for tag, name, _ in plain.attributes}
    for tag, name, value in page.attributes:
        if name in {"href", "src"}:
            assert value.startswith("#r") or (tag, value) == ("link", "data:,")


def test_every_link_leads_to_a_result_of_its_own():
    page = Page(html.page([made.record(results=[small(), small(warnings=[made.caution()])]), made.record()]))
    targets = [value for _, name, value in page.attributes if name == "id"]
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert targets == ["r1-1", "r1-2", "r2-1"]
    assert links == ["#r1-1", "#r1-2", "#r2-1", "#r1-2"]


def test_the_page_forbids_itself_every_request_and_has_no_script():
    page = html.page([made.record()])
    policy = next(value for _, name, value in Page(page).attributes if name == "content" and "default-src" in value)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert not re.search(r"<script|url\(|@import| style=| on\w+=", page)
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}


def test_a_result_without_a_measurement_has_reasons_and_no_plots():
    page = Page(html.page([made.record(results=[made.bare()])]))
    assert "svg" not in page.tags
    told = " ".join(page.texts)
    for name in ("Latency over time", "Distribution", "Stages"):
        assert f"{name} not measured: the interpreter failed on its first input" in told
    assert "Power over time not measured: this machine has no meter" in told
    assert "Scaling not measured: no two results differ only in threads or streams." in told


def test_a_meter_with_a_single_reading_is_told_in_words():
    told = texts(made.record(results=[small(power=made.power(readings=[(0.0, 5.0)]))]))
    assert "Power over time not measured: the meter gave too few readings to draw" in told


def test_records_without_a_result_make_a_page_that_says_so():
    told = texts(made.record(results=[]))
    assert "1 record, 0 results: no result" in told
    assert "No result: nothing was measured." in told
    assert markdown.text([made.record(results=[])]).splitlines()[2] == "No result: nothing was measured."


def test_a_warning_is_told_once_for_the_record_with_the_results_that_have_it():
    results = [small(threads=n, warnings=[made.caution()] if n > 1 else []) for n in (1, 2, 3)]
    told = texts(made.record(results=[*results, small(threads=None, streams=[made.stream()] * 2)]))
    assert "clocks follow the load ( interpreter, 2 threads , interpreter, 3 threads ) set it: echo" in told
    every = [small(warnings=[made.caution()])] * 2
    assert "clocks follow the load (all results)" in texts(made.record(results=every))
    many = [small(warnings=[made.caution()])] * 9
    assert "interpreter, 4 threads and 3 more)" in texts(made.record(results=[*many, small()]))


def test_a_long_page_folds_what_is_valid():
    results = [small()] * 8 + [small(verdict="suspect", warnings=[made.caution()])]
    unfolded = [(tag, name) for tag, name, _ in Page(html.page([made.record(results=results)])).attributes]
    assert unfolded.count(("details", "open")) == 1
    shorter = [(tag, name) for tag, name, _ in Page(html.page([made.record(results=results[:8])])).attributes]
    assert shorter.count(("details", "open")) == 8


def test_fifty_thousand_samples_make_no_large_page():
    samples = made.latencies(50_000, 3.4)
    result = made.result(samples=samples, power=made.power(readings=[(n / 10, 5.0 + n % 7) for n in range(9000)]))
    assert len(html.page([made.record(results=[result])])) < 70_000


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(-1e9, 1e9)), min_size=1))
def test_thinning_keeps_the_extremes_and_at_most_one_stroke_a_column(points):
    across = svg.exact([x for x, _ in points], svg.LEFT, svg.RIGHT)
    thinned = svg.thin(points, across)
    assert len(thinned) <= svg.RIGHT - svg.LEFT + 1
    assert min(low for _, low, _ in thinned) == min(y for _, y in points)
    assert max(high for _, _, high in thinned) == max(y for _, y in points)
    assert [x for x, _, _ in thinned] == sorted({x for x, _, _ in thinned})


FLOATS = st.floats(-1e300, 1e300)


@example([1.3988476891573369e-09], 0.0, False)
@given(st.lists(FLOATS, max_size=9), FLOATS, st.booleans())
def test_a_scale_keeps_every_value_within_its_ends_and_has_few_ticks(values, other, log):
    for scale in (svg.scale(values, 10, 90, log=log), svg.exact(values, 10, 90)):
        assert 10 <= scale.at(other) <= 90
        ticks = scale.ticks(4)
        assert len(ticks) <= 6
        assert all(9.9 <= place <= 90.1 for place, _ in ticks)
        assert all(len(label) <= 9 for _, label in ticks)


@settings(max_examples=25)
@given(st.lists(FLOATS, min_size=1, max_size=30))
def test_whatever_the_figures_are_a_page_can_be_made(values):
    summary = made.summary(values, median=values[0], p90=values[-1])
    result = msgspec.structs.replace(
        small(),
        latency_ms=summary,
        at_s=values[::-1],
        stages_ms={"a": summary, "b": made.summary([])},
        age_ms=summary,
        seconds=values[0],
        watch=[
            Moment(at_s=v, clock_mhz=v, temperature_c=v, limits=("hot",), other_load=v, memory_bytes=1) for v in values
        ],
        yardstick=made.yardstick(values, ms=values),
        power=made.power(watts=values[0], readings=[(v, v) for v in values]),
        streams=[made.stream(fps=v) for v in values],
        fps=values[0],
    )
    page = html.page([made.record(results=[result, msgspec.structs.replace(result, threads=1, streams=None)])])
    assert not re.search(r"[\s\"](nan|-?inf)\b", re.sub(r"<style>.*</style>", "", page))


# Plots


def test_round_ticks():
    assert svg.exact([0, 17], 0, 170).ticks(5) == [(0, "0"), (50, "5"), (100, "10"), (150, "15")]
    assert [label for _, label in svg.scale([24.0, 24.8], 0, 1).ticks(4)] == ["24.00", "24.25", "24.50", "24.75"]
    assert [label for _, label in svg.scale([3.0, 400.0], 0, 1, log=True).ticks(4)] == ["10", "100"]
    assert [label for _, label in svg.scale([0.02, 0.3], 0, 1, log=True).ticks(4)] == ["0.02", "0.05", "0.1", "0.2"]
    assert [label for _, label in svg.exact([2e6], 0, 1).ticks(2)] == ["0", "1e+06", "2e+06"]


def test_throttling_is_shaded_from_when_it_was_seen_until_it_was_not():
    watch = [*made.moments(4)]
    for second in (1, 2, 4):
        watch[second] = msgspec.structs.replace(watch[second], limits=("throttled",))
    drawn = plots.latency(small(samples=[1000.0] * 4, watch=watch))
    across = svg.exact([4.0], svg.LEFT, svg.RIGHT)
    shades = re.findall(r'<rect class="held" x="([\d.]+)" y="22" width="([\d.]+)"', drawn)
    assert [float(x) for x, _ in shades] == pytest.approx([across.at(1), across.at(4)], abs=0.06)
    assert [float(wide) for _, wide in shades] == pytest.approx([across.at(3) - across.at(1), 0.6], abs=0.11)
    assert "shaded: throttled" in drawn
    assert "not measured" not in drawn


def test_what_is_not_under_the_latencies_is_named_there():
    assert "not measured: clock, temperature, throttling" in plots.latency(small())
    warm = [Moment(at_s=0.0, clock_mhz=None, temperature_c=50.0, limits=None, other_load=None, memory_bytes=None)]
    drawn = plots.latency(small(watch=warm))
    assert "temperature (°C)" in drawn
    assert "not measured: clock, throttling" in drawn


def test_latencies_without_times_are_drawn_one_by_one():
    drawn = plots.latency(small(at_s=[], watch=list(made.moments(3))))
    assert ">sample</text>" in drawn
    assert "time (s)" not in drawn
    assert "clock (MHz)" not in drawn


def test_far_outliers_leave_the_others_to_be_seen():
    samples = [*(24.0 + n / 700 for n in range(700)), 900.0]
    result = made.result(samples=samples)
    assert "latency (ms), logarithmic" in plots.latency(result)
    assert "at the right end: 1 beyond, up to 900.0 ms" in plots.distribution(result.latency_ms, "latency")
    assert "beyond" not in plots.distribution(made.summary([1.0, 2.0, 3.0]), "latency")


def test_a_distribution_marks_what_the_samples_bear():
    drawn = plots.distribution(made.summary([float(n) for n in range(1, 101)]), "latency")
    assert re.findall(r">((?:median|p\d+) [^<]*)<", drawn) == ["median 50.00", "p90 90.00"]


def test_every_sample_is_in_one_column():
    samples = made.latencies(300)
    assert sum(plots.histogram(samples, svg.scale(samples, 0, 100), 47)) == 300
    assert plots.histogram([1.0], svg.scale([1.0], 0, 100), 47) == [0, 0, 0, 0, 1, 0, 0, 0]


def test_stages_stand_side_by_side_and_long_names_are_cut():
    stages = {"a " * 90: made.summary([1.0]), "b": made.summary([3.0]), "c": made.summary([])}
    drawn = plots.stages(small(stages_ms=stages))
    parts = re.findall(r'class="f\d part" x="([\d.]+)" y="22" width="([\d.]+)"', drawn)
    assert [tuple(map(float, part)) for part in parts] == [(14, 76), (90, 228)]
    assert "…" in drawn
    assert "not measured" not in drawn
    assert plots.stages(small(stages_ms={"c": made.summary([])})) is None


def test_a_series_of_one_reading_or_none_is_no_plot():
    assert plots.watts(small(power=None)) is None
    assert plots.latency(made.bare()) is None
    assert plots.distribution(made.summary([]), "latency") is None
    assert "idle" not in plots.watts(small(power=made.power(idle_watts=None)))


def test_sweeps_are_found_and_drawn():
    threads = [small(threads=n, fps=10.0 * n) for n in (1, 2, 4)]
    streams = [small(scenario="streams", streams=[made.stream(fps=30.0 / n)] * n, threads=n % 2 or 1) for n in (1, 3)]
    alone = small(scenario="offline")
    found = dict(sweeps.scaling([*threads, *streams, alone]))
    assert {name: plot is not None for name, plot in found.items()} == {
        "mobilenet_v2_1.0_224_int8, litert-cpu, 1 thread: over streams": True,
        "interpreter, mobilenet_v2_1.0_224_int8, litert-cpu: over threads": True,
        "streams, mobilenet_v2_1.0_224_int8, litert-cpu, 1 stream: over threads": False,
        "streams, mobilenet_v2_1.0_224_int8, litert-cpu, 3 streams: over threads": False,
        "offline, mobilenet_v2_1.0_224_int8, litert-cpu: over threads": False,
    }
    drawn = found["interpreter, mobilenet_v2_1.0_224_int8, litert-cpu: over threads"]
    assert re.findall(r'text-anchor="middle">(\d)<', drawn) == ["1", "2", "4"]
    unset = [small(scenario="streams", streams=[made.stream()] * n, threads=None) for n in (1, 2)]
    assert [name for name, _ in sweeps.scaling(unset)] == ["mobilenet_v2_1.0_224_int8, litert-cpu: over streams"]
    assert "Scaling interpreter, mobilenet_v2_1.0_224_int8, litert-cpu: over threads FPS" in texts(
        made.record(results=threads)
    )


def test_labels_that_have_no_room_are_left_out():
    across = svg.exact([100.0], svg.LEFT, svg.RIGHT)
    assert len(plots.whole([float(n) for n in range(1, 101)], across, 0)) < 30


# Markdown


def test_markdown_has_a_table_and_every_result():
    lines = markdown.text([made.record(results=[small(), made.bare()])]).splitlines()
    assert lines[4:6] == [
        "| interpreter | mobilenet_v2_1.0_224_int8 | litert-cpu | 4 | valid | 333.2 | 3.000 | too few | too few "
        "| too few | 5.12 | 0.123 | 96.0 MiB | 100.0 % |",
        "| interpreter | mobilenet_v2_1.0_224_int8 | litert-cpu | not set | invalid | not measured | not measured "
        "| too few | too few | too few | not measured | not measured | not measured | not measured |",
    ]
    assert "- invalid: it failed at once. *see the error*" in lines
    assert "- rate: not measured" in lines


def test_several_records_are_told_apart_by_host():
    other = made.record(host=made.facts(board=None, cpu="N100", memory_bytes=None), results=[small()])
    rows = [line for line in markdown.text([made.record(results=[small()]), other]).splitlines() if line[:1] == "|"]
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| Raspberry Pi 4 Model B Rev 1.4", "| N100"]


@settings(max_examples=40)
@given(HOSTILE)
def test_nothing_in_a_record_is_markup_in_markdown(words):
    record = poisoned(made.record(results=[small(warnings=[made.caution()])]), words)
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    blocks = reader.parse(markdown.text([record]))
    inner = {each.type for token in blocks for each in token.children or ()}
    assert inner <= {"text", "strong_open", "strong_close", "em_open", "em_close", "softbreak"}
    plain = reader.parse(markdown.text([made.record(results=[small(warnings=[made.caution()])])]))
    assert {token.type for token in blocks} <= {token.type for token in plain}


# CSV


def test_csv_has_one_row_a_result_and_empty_cells_for_what_was_not_measured():
    rows = list(csv.DictReader(io.StringIO(table.csv_text([made.record(results=[small(), made.bare()])]))))
    assert len(rows) == 2
    some = ("scenario", "threads", "fps", "samples", "median_ms", "p90_ms", "watts")
    assert [rows[0][name] for name in some] == ["interpreter", "4", "333.25", "4", "3.0", "", "5.12"]
    assert rows[0]["stages_ms"] == "invoke=2.5; copy=0.5"
    empty = {name for name, cell in rows[1].items() if cell == ""}
    assert {"threads", "fps", "median_ms", "init_ms", "peak_memory_bytes", "watts", "agreement", "harness_us"} <= empty
    assert "0" not in {cell for name, cell in rows[1].items() if name != "samples"}


def test_the_columns_are_the_same_without_a_result():
    header = table.csv_text([]).strip().split(",")
    assert header == list(table.COLUMNS)
    assert table.csv_text([made.record(results=[])]) == table.csv_text([])


@settings(max_examples=40)
@given(HOSTILE)
def test_no_cell_is_a_formula_and_every_row_is_whole(words):
    text = table.csv_text([poisoned(made.record(results=[made.result(source="x", streams=[made.stream()])]), words)])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [len(row) for row in rows] == [len(table.COLUMNS)] * 2
    assert not [cell for row in rows for cell in row if cell[:1] in set("=+-@\t\r\n")]


def test_a_negative_number_is_no_formula():
    assert table.safe(-2.5) == -2.5
    assert table.safe("-2.5") == "'-2.5"


# Command line


def test_all_three_kinds_are_made_in_one_call(report, saved, tmp_path):
    page, text, rows = tmp_path / "out.html", tmp_path / "out.md", tmp_path / "out.csv"
    code, out, err = report(saved, saved, "--html", page, "--markdown", text, "--csv", rows)
    assert (code, out) == (0, "")
    assert [line.split(": ")[0] for line in err.splitlines()] == [str(page), str(text), str(rows)]
    assert page.read_text().startswith("<!doctype html>")
    assert text.read_text().startswith("# edge-bench\n")
    assert rows.read_bytes().count(b"\r\n") == 5


def test_a_dash_is_stdout(report, saved):
    code, out, err = report(saved, "--csv", "-")
    assert (code, err) == (0, "")
    assert out.startswith("started_at,")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "give at least one of --html, --markdown, --csv"),
        (("--html", "-", "--csv", "-"), "--html and --csv: only one of them can be stdout"),
        (("--html", "other.json"), "--html other.json: this would be a record; name another file"),
        (("--csv", "/dev/null/x.csv"), "--csv /dev/null/x.csv: cannot be written: "),
    ],
)
def test_what_cannot_be_written_is_one_clear_line(report, saved, arguments, reason):
    code, out, err = report(saved, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no json", "not JSON"),
        (b'{"version": 99}', "a record of version 99"),
        (b'{"version": 1}', "no record of edge-bench"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_record_is_one_clear_line_and_nothing_is_written(report, saved, tmp_path, content, reason):
    other, page = tmp_path / "other.json", tmp_path / "page.html"
    if content is not None:
        other.write_bytes(content)
    code, out, err = report(saved, other, "--html", page)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err
    assert str(other) in err
    assert not page.exists()


def test_memory_of_cold_starts_is_that_of_a_fresh_process():
    cold = small(scenario="cold", memory=Memory(peak_bytes=3 << 20, steady_bytes=None))
    assert words.of_memory(cold)[0] == "peak 3.00 MiB (of a fresh process)"


def test_the_clock_is_that_of_the_fastest_core():
    after = made.state(clocks_mhz=(600.0, 1200.0), most_mhz=(1200.0, 1800.0))
    assert words.clock(small(host_after=after)) == "1,200 of 1,800 MHz"


def test_settings_and_memory_that_are_partly_known_are_told():
    record = made.record(
        complete=False,
        settings=Settings(duration_s=None, count=3, source="sample:", command=["edge-bench"]),
        results=[small(memory=Memory(peak_bytes=1 << 20, steady_bytes=None), verdict="invalid"), small()],
    )
    told = texts(record)
    for part in ("length 3 samples", "source sample:", "complete no: it was interrupted", "1 valid, 1 invalid"):
        assert part in told
    assert "peak 1.00 MiB, steady not measured (harness included)" in told
    neither = made.record(settings=Settings(duration_s=None, count=None, source=None, command=[]))
    assert "length as each scenario has it" in texts(neither)


def test_a_page_never_takes_the_place_of_a_record(bench, tmp_path):
    record = tmp_path / "record.txt"
    save(made.record(), record)
    (tmp_path / "link.html").symlink_to(record)
    before = record.read_bytes()
    for name in ("record.txt", "link.html"):
        assert bench("report", record, "--html", tmp_path / name).code == 2
    assert bench("report", record, "--html", tmp_path / "a", "--csv", tmp_path / "a").code == 2
    assert record.read_bytes() == before
