import json
import math
import random

import made
import numpy as np
import pytest
from edge.benchmarks import ratio, stats
from edge.benchmarks.cli import cli
from edge.benchmarks.compare import Named, compared, slowdowns
from edge.benchmarks.record import Settings, Yardstick, save
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cli import execute

YARDSTICK = "a fixed piece of work"


def machine(seed, seconds=30, wander=0.06):
    """How slow a shared machine is at each tenth of a second, as a logarithm: it wanders, as neighbours come and go."""
    chance = np.random.default_rng(seed)
    steps = chance.normal(0, wander * math.sqrt(0.02), seconds * 10)
    level = chance.normal(0, wander)
    walk = []
    for step in steps:
        level = 0.99 * level + step
        walk.append(level)
    return np.array(walk)


def run(seed, slower=1.0, seconds=30, median=4.0, wander=0.06, slope=1.0, yardstick=True, **changes):
    """A result on such a machine: ten samples each tenth of a second, 3 % of noise in each, and a tail."""
    chance = np.random.default_rng(seed + 10_000)
    slow = machine(seed, seconds, wander)
    each = np.repeat(slow, 10)
    noise = chance.normal(0, 0.03, len(each)) + (chance.random(len(each)) > 0.99) * 0.4
    ends = np.linspace(0, seconds, len(each) + 1)[1:]
    samples = slower * median * np.exp(slope * each + noise)
    stick = 3.0 * np.exp(slow + chance.normal(0, 0.02, len(slow)))
    given = {
        "samples": samples.tolist(),
        "at_s": ends.tolist(),
        "seconds": float(seconds),
        "latency_ms": stats.summary(samples),
        "stages_ms": {},
        "yardstick": Yardstick(what=YARDSTICK, ms=stick.tolist(), at_s=(ends[9::10] + 0.004).tolist())
        if yardstick
        else None,
    }
    return made.result(**{**given, **changes})


def steady(slower=1.0, seed=1, **changes):
    """A result on a machine of its own."""
    chance = random.Random(seed)
    samples = [slower * 4 * (1 + chance.gauss(0, 0.005)) for _ in range(3000)]
    given = {
        "samples": samples,
        "at_s": [(number + 1) / 100 for number in range(3000)],
        "seconds": 30.0,
        "latency_ms": stats.summary(samples),
        "stages_ms": {},
        "yardstick": None,
    }
    return made.result(**{**given, **changes})


def between(first, second, **changes):
    """The comparison of two records of one result each. changes: of the second record."""
    return compared(
        [Named("A.json", made.record(results=[first])), Named("B.json", made.record(results=[second], **changes))]
    )[0]


def latency(first, second):
    return between(first, second).pairs[0].measures[0]


def test_a_planted_slowdown_of_5_percent_is_found_on_a_machine_that_wanders_in_20_of_20_tries():
    found = [latency(run(seed), run(seed + 100, 1.05)).finding for seed in range(20)]
    assert found == ["slower"] * 20


def test_identical_runs_on_a_machine_that_wanders_are_called_different_in_none_of_20_tries():
    found = [latency(run(seed), run(seed + 100)).finding for seed in range(20)]
    assert found == ["no difference found"] * 20


def test_a_gain_is_found_too():
    measure = latency(run(1, 1.08), run(2))
    assert measure.finding == "faster"
    assert -0.1 < measure.change < -0.04


def test_a_machine_that_became_a_fifth_slower_is_told_apart_from_a_model_that_did():
    quick, slow = run(1), run(2, median=4.0 * 1.2)
    stick = slow.yardstick
    slow = made.result(**{**_fields(slow), "yardstick": _scaled(stick, 1.2)})
    pair = between(quick, slow).pairs[0]
    assert pair.measures[0].finding == "no difference found"
    assert pair.machine.ratio == pytest.approx(1.2, rel=0.15)
    assert pair.measures[0].ratio.ratio > 1.05


def _scaled(stick, factor):
    return Yardstick(what=stick.what, ms=[factor * each for each in stick.ms], at_s=stick.at_s)


def _fields(result):
    return {name: getattr(result, name) for name in result.__struct_fields__} | {"samples": result.latency_ms.samples}


def test_a_quiet_board_needs_no_yardstick():
    measure = latency(steady(), steady(1.05, seed=2))
    assert measure.finding == "slower"
    assert measure.at_equal_speed is None
    assert measure.change == pytest.approx(0.05, abs=0.005)
    assert latency(steady(), steady(seed=2)).finding == "no difference found"


def test_without_a_yardstick_what_wanders_within_runs_is_not_called_between_them():
    found = [latency(run(seed, yardstick=False), run(seed + 100, yardstick=False)).finding for seed in range(20)]
    assert found.count("no difference found") >= 19


def test_a_difference_below_the_floor_is_not_called_however_sure_it_is():
    measure = latency(steady(), steady(1 + ratio.FLOOR * 0.9, seed=2))
    assert measure.ratio.low > 1
    assert measure.ratio.p < ratio.SURE
    assert measure.finding == "no difference found"
    assert measure.visible == pytest.approx(ratio.FLOOR)


def test_a_yardstick_that_stands_still_does_not_tell_whether_the_model_follows_it():
    def still(level, seed):
        ends = [number / 10 for number in range(300)]
        return steady(seed=seed, yardstick=Yardstick(what=YARDSTICK, ms=[level] * 300, at_s=ends))

    same, other = latency(still(3.0, 1), still(3.0, 2)), latency(still(3.0, 1), still(3.3, 2))
    assert same.at_equal_speed.high - same.at_equal_speed.low < 0.03
    assert other.at_equal_speed.low < 0.92
    assert other.at_equal_speed.high > 0.99
    assert other.finding == "no difference found"


def test_a_model_that_does_not_follow_the_yardstick_is_not_held_against_it():
    def elsewhere(seed):
        stick = run(seed).yardstick
        return steady(seed=seed, yardstick=stick)

    assert latency(elsewhere(1), elsewhere(2)).at_equal_speed is None
    assert latency(elsewhere(1), elsewhere(2)).finding == "no difference found"


def test_an_interval_at_equal_speed_holds_the_truth_in_almost_all_runs():
    sides = [ratio.times(each.latency_ms, each) for each in map(run, range(40))]
    ratios = [ratio.at_equal_speed(*pair) for pair in zip(sides[::2], sides[1::2], strict=True)]
    assert sum(each.low <= 1 <= each.high for each in ratios) >= 18


@settings(max_examples=15)
@given(st.floats(0.1, 10), st.integers(1, 5))
def test_scaling_the_samples_scales_the_ratio_and_its_interval(factor, seed):
    chance = np.random.default_rng(seed)
    one, two = ratio.Series(chance.normal(size=9), None), ratio.Series(chance.normal(size=11), None)
    more = ratio.Series(two.values + math.log(factor), None)
    once, scaled = ratio.plain(1.1, one, two), ratio.plain(1.1 * factor, one, more)
    assert once.low <= once.ratio <= once.high
    assert scaled.ratio == pytest.approx(factor * once.ratio)
    assert scaled.low == pytest.approx(factor * once.low)
    assert scaled.high == pytest.approx(factor * once.high)


@settings(max_examples=15)
@given(st.permutations(range(12)))
def test_the_rank_test_of_a_ratio_does_not_care_about_the_order_of_blocks(order):
    values = np.linspace(0, 0.1, 12)
    other = ratio.Series(values + 0.05, None)
    once = ratio.plain(1.05, ratio.Series(values, None), other)
    assert ratio.plain(1.05, ratio.Series(values[list(order)], None), other).p == once.p


def few(samples, **changes):
    return made.result(samples=samples, latency_ms=stats.summary(samples), stages_ms={}, yardstick=None, **changes)


def test_too_few_samples_are_said_to_be_too_few():
    measure = latency(few([4.0] * 4), few([8.0] * 4))
    assert measure.finding == "too few samples"
    assert (measure.ratio.low, measure.ratio.p, measure.visible) == (None, None, None)
    assert latency(few([4.0, 4.1, 3.9, 4.2, 4.05]), few([8.0, 8.1, 7.9, 8.2, 8.05])).finding == "slower"


def test_a_result_without_samples_has_nothing_to_compare():
    assert between(few([]), steady()).pairs[0].measures == []


def test_a_stage_that_took_no_time_in_places_is_passed_over():
    stage = stats.summary([0.0] * 1500 + [1.0] * 1501)
    result = steady(stages_ms={"read output": stage})
    assert [each.kind for each in between(result, result).pairs[0].measures] == ["latency_ms"]


def test_stages_are_compared_each_for_itself():
    halves = {"invoke": stats.summary([3.0 + (n % 7) / 100 for n in range(3000)]), "less": stats.summary([1.0])}
    slow = {"invoke": stats.summary([3.3 + (n % 7) / 100 for n in range(3000)]), "more": stats.summary([1.0])}
    measures = between(steady(stages_ms=halves), steady(seed=2, stages_ms=slow)).pairs[0].measures
    assert [(each.name, each.kind, each.finding) for each in measures] == [
        ("latency", "latency_ms", "no difference found"),
        ("invoke", "stage", "slower"),
    ]


def test_a_stage_of_only_some_samples_is_spread_over_the_window():
    stage = {"decode": stats.summary([2.0 + (n % 5) / 100 for n in range(700)])}
    pair = between(steady(stages_ms=stage), steady(seed=2, stages_ms=stage)).pairs[0]
    assert pair.measures[1].finding == "no difference found"
    assert pair.measures[1].ratio.ratio == 1.0


@pytest.mark.parametrize("scenario", ["offline", "camera", "streams"])
def test_frames_a_second_are_compared_where_they_are_more_than_a_latency(scenario):
    quick = steady(scenario=scenario, fps=100.0)
    ends = [each * 1.1 for each in quick.at_s if each * 1.1 <= 30]
    slow = steady(
        scenario=scenario, fps=90.9, at_s=ends, samples=[4.0] * len(ends), latency_ms=stats.summary([4.0] * len(ends))
    )
    measure = between(quick, slow).pairs[0].measures[1]
    assert (measure.name, measure.kind, measure.finding) == ("FPS", "fps", "slower")
    assert measure.ratio.ratio == pytest.approx(0.909, abs=0.001)
    assert measure.change == pytest.approx(0.091, abs=0.001)
    assert between(slow, quick).pairs[0].measures[1].finding == "faster"


def test_results_are_matched_by_what_they_are_of():
    one, two, four = (steady(threads=count) for count in (1, 2, 4))
    other = compared(
        [
            Named("A.json", made.record(results=[one, two, four])),
            Named("B.json", made.record(results=[four, one, steady(scenario="cold"), steady(threads=3)])),
        ]
    )[0]
    assert [pair.base for pair in other.pairs] == [
        "interpreter, mobilenet_v2_1.0_224_int8, litert-cpu, 1 thread",
        "interpreter, mobilenet_v2_1.0_224_int8, litert-cpu, 4 threads",
        "interpreter, mobilenet_v2_1.0_224_int8, litert-cpu, 2 threads",
    ]
    assert other.pairs[2].care == ["threads differs: 2 and 3"], "what is left over of one scenario is matched"
    assert other.missing == []
    assert other.added == ["cold, mobilenet_v2_1.0_224_int8, litert-cpu, 4 threads"]


def test_several_results_left_of_a_scenario_are_not_matched_at_random():
    base = made.record(results=[steady(model="a"), steady(model="b")])
    other = made.record(results=[steady(model="c"), steady(model="d"), steady(model="d")])
    found = compared([Named("A.json", base), Named("B.json", other)])[0]
    assert found.pairs == []
    assert (len(found.missing), len(found.added)) == (2, 3)


def test_results_of_one_name_are_matched_in_their_order():
    first, second = steady(), steady(1.1, seed=3)
    found = compared([Named(name, made.record(results=[first, second])) for name in "AB"])[0]
    assert [pair.measures[0].ratio.ratio for pair in found.pairs] == [1.0, 1.0]


def test_streams_are_matched_by_their_number():
    sweep = [steady(scenario="streams", streams=[made.stream()] * count, threads=None) for count in (1, 2)]
    found = compared([Named(name, made.record(results=sweep)) for name in "AB"])[0]
    assert [pair.base.split(", ")[-1] for pair in found.pairs] == ["1 camera", "2 cameras"]


def test_one_record_alone_is_compared_with_its_first_result_of_each_scenario():
    sweep = [steady(threads=1), steady(scenario="cold"), steady(0.6, seed=2, threads=2), steady(0.4, seed=3, threads=4)]
    found = compared([Named("A.json", made.record(results=sweep))])[0]
    assert [pair.other.split(", ")[-1] for pair in found.pairs] == ["2 threads", "4 threads"]
    assert [pair.measures[0].finding for pair in found.pairs] == ["faster", "faster"]


def test_what_differs_between_records_is_said():
    first, second = steady(), steady(model_sha256="cd" * 32, source="sample:")
    governor = made.state(governors=("ondemand",))
    second = made.result(**{**_fields(second), "host_before": governor})
    host = made.facts(board="Raspberry Pi 5", kernel="6.12", versions={"numpy": "2.0"})
    asked = Settings(duration_s=5.0, count=9, source=None, command=[])
    found = between(first, second, host=host, tool="edge-bench 9", profile_text="", settings=asked, complete=False)
    assert found.care == [
        "hosts differ: Raspberry Pi 4 Model B Rev 1.4 (4 cores) and Raspberry Pi 5 (4 cores)",
        "kernel differs: 6.6.31+rpt-rpi-v8 and 6.12",
        "ai-edge-litert differs: 2.0.3 and none",
        "edgekit differs: 0.1.0 and none",
        "numpy differs: 1.26.4 and 2.0",
        "measured by edge-bench 0.1.0 and by edge-bench 9",
        "profiles differ: raspberry-pi-4 and raspberry-pi-4 in its text",
        "duration differs: 17.0 and 5.0",
        "count differs: none and 9",
        "B.json was interrupted: it may hold fewer results and samples",
    ]
    assert found.pairs[0].care == [
        "models differ: mobilenet_v2_1.0_224_int8 of sha256 abababab… and cdcdcdcd…",
        "source differs: none and sample:",
        "governor differs: performance and ondemand",
    ]


def test_results_that_are_not_valid_are_said_to_be_so():
    doubted = steady(verdict="suspect", warnings=[made.caution(), made.caution(code="note", verdict="valid")])
    broken = steady(verdict="invalid", warnings=[])
    pair = between(doubted, broken).pairs[0]
    assert pair.care == ["A is suspect: governor", "B is invalid"]
    assert not pair.sound
    assert between(doubted, steady()).pairs[0].sound


def test_yardsticks_of_two_machines_or_of_two_kinds_are_not_held_against_each_other():
    elsewhere = between(run(1), run(2), host=made.facts(cores=8)).pairs[0]
    assert elsewhere.machine is None
    assert elsewhere.measures[0].at_equal_speed is None
    other = run(2)
    stick = Yardstick(what="another", ms=other.yardstick.ms, at_s=other.yardstick.at_s)
    pair = between(run(1), made.result(**{**_fields(other), "yardstick": stick})).pairs[0]
    assert (pair.machine, pair.measures[0].at_equal_speed) == (None, None)


@pytest.mark.parametrize(
    "stick",
    [
        Yardstick(what=YARDSTICK, ms=[0.3], at_s=[0.1]),
        Yardstick(what=YARDSTICK, ms=[0.3, 0.3], at_s=[0.1]),
        Yardstick(what=YARDSTICK, ms=[0.0] * 300, at_s=[n / 10 for n in range(300)]),
        Yardstick(what=YARDSTICK, ms=[0.3] * 4, at_s=[0.1, 0.2, 0.3, 0.4]),
    ],
    ids=["one call", "times missing", "no time", "one block"],
)
def test_a_yardstick_that_tells_too_little_is_not_used(stick):
    result = steady(yardstick=stick)
    assert between(result, run(2)).pairs[0].measures[0].at_equal_speed is None


def test_only_what_a_user_waits_for_counts_as_a_slowdown():
    stages = {"invoke": stats.summary([3.0] * 3000)}, {"invoke": stats.summary([6.0] * 3000)}
    found = between(steady(stages_ms=stages[0]), steady(1.1, seed=2, stages_ms=stages[1]))
    assert [measure.name for _, measure in slowdowns([found], 0.05)] == ["latency"]
    assert list(slowdowns([found], 0.2)) == []


@pytest.fixture
def files(tmp_path):
    """Writes records, and returns their names."""

    def write(**results):
        for name, result in results.items():
            listed = result if isinstance(result, list) else [result]
            save(made.record(results=listed), tmp_path / f"{name}.json")
        return [str(tmp_path / f"{name}.json") for name in results]

    return write


def bench(*arguments):
    return execute(["compare", *arguments], False, cli, "edge-bench")


def test_the_table_fits_80_columns_and_says_what_was_found(files, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stages = {"postprocess": stats.summary([0.012345 + (n % 7) / 1e5 for n in range(3000)])}
    assert bench(*files(A=run(1, stages_ms=stages), B=run(2, 1.1, stages_ms=stages))) == 0
    out = capsys.readouterr().out
    table = out.partition("median, ms")[2].partition("latency:")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "at equal speed" in table
    assert "postprocess 0.01" in table
    assert "slower (" in out.partition("latency:")[2]
    assert "The machine itself was" in out


def test_a_sweep_in_one_record_is_printed_against_its_first(files, capsys):
    stage = {"decode": stats.summary([1.0, 1.1, 1.2])}
    one, two = run(1, threads=1, stages_ms=stage), run(2, 0.5, threads=2, stages_ms=stage)
    assert bench(*files(A=[one, two])) == 0
    out = capsys.readouterr().out
    assert out.startswith("Within ")
    assert "B: interpreter, mobilenet_v2_1.0_224_int8, litert-cpu, 2 threads" in out
    assert "faster (" in out
    decode = next(line for line in out.splitlines() if "decode" in line)
    assert decode.split() == ["decode", "1.100", "1.100", "1.000", "too", "few"]


def test_what_differs_and_what_is_only_in_one_record_is_printed(files, capsys):
    code = bench(*files(A=[steady(model="a"), steady(model="b")], B=[steady(model="b"), steady(scenario="cold")]))
    out = capsys.readouterr().out
    assert code == 0
    assert "only in A: interpreter, a" in out
    assert "only in B: cold" in out
    assert "would have seen 2.5% or more" in out


def test_an_interrupted_record_is_said_to_be_one(files, tmp_path, capsys):
    name = tmp_path / "cut.json"
    save(made.record(results=[steady()], complete=False), name)
    assert bench(*files(A=steady()), str(name)) == 0
    assert "compare with care: " + str(name) + " was interrupted" in capsys.readouterr().out


def test_records_of_two_models_name_both(files, capsys):
    assert bench(*files(A=few([1.0] * 3, model="a"), B=few([1.0] * 3, model="b"))) == 0
    out = capsys.readouterr().out
    assert "A: interpreter, a" in out
    assert "compare with care: models differ: a and b" in out
    assert "latency: too few samples to say; measure longer" in out


def test_a_machine_of_the_same_speed_is_said_to_be_so(files, capsys):
    stick = Yardstick(what=YARDSTICK, ms=[0.3] * 300, at_s=[n / 10 for n in range(300)])
    assert bench(*files(A=steady(yardstick=stick), B=steady(yardstick=stick))) == 0
    assert "The machine itself was as fast in B as in A." in capsys.readouterr().out


def test_a_rate_is_told_as_lower_or_higher(files, capsys):
    quick = steady(scenario="camera", fps=100.0)
    ends = [each * 2 for each in quick.at_s if each * 2 <= 30]
    slow = few([4.0] * len(ends), scenario="camera", fps=50.0, at_s=ends, seconds=30.0)
    names = files(A=quick, B=slow)
    assert bench(*names, "--fail-above", "49%") == 1
    assert bench(*names, "--fail-above", "51%") == 0
    assert bench(*reversed(names)) == 0
    out, err = capsys.readouterr()
    assert "FPS: 50.0% lower (" in out
    assert "FPS: 100.0% higher (" in out
    assert "FPS 50.0% slower" in err


def test_json_is_one_object_and_nothing_else(files, capsys):
    assert bench(*files(A=steady(), B=steady(1.1, seed=2), C=steady(seed=3)), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["other"].rpartition("/")[2] for each in told["comparisons"]] == ["B.json", "C.json"]
    measure = told["comparisons"][0]["pairs"][0]["measures"][0]
    assert (measure["finding"], measure["kind"]) == ("slower", "latency_ms")
    assert measure["ratio"]["low"] < measure["ratio"]["ratio"] < measure["ratio"]["high"]
    assert (told["fail_above"], told["failures"]) == (None, [])


@pytest.mark.parametrize(("limit", "code"), [("5%", 1), ("0.05", 1), ("5 %", 1), ("20%", 0), (".2", 0), ("150%", 0)])
def test_a_slowdown_above_the_limit_fails(files, capsys, limit, code):
    assert bench(*files(A=steady(), B=steady(1.1, seed=2)), "--fail-above", limit) == code
    assert ("latency 10.0% slower" in capsys.readouterr().err) == bool(code)


@pytest.mark.parametrize("limit", ["5", "x", "-5%", "", "nan", "1e-2", "5%%"])
def test_a_limit_that_can_mean_two_things_or_none_is_refused(files, capsys, limit):
    assert bench(*files(A=steady(), B=steady()), f"--fail-above={limit}") == 2
    assert "give it as 5% or 0.05" in capsys.readouterr().err


def test_a_gain_passes_whatever_the_limit(files):
    assert bench(*files(A=steady(), B=steady(0.8, seed=2)), "--fail-above", "0%") == 0


@pytest.mark.parametrize(
    ("base", "other", "why"),
    [
        (
            [steady(), steady(scenario="cold")],
            steady(),
            "cold, mobilenet_v2_1.0_224_int8, litert-cpu, 4 threads: missing",
        ),
        (steady(), steady(verdict="invalid"), "invalid, so measure again"),
        (steady(), few([4.0] * 3), "too few samples, so measure longer"),
        (steady(), few([]), "no samples to compare, so measure again"),
    ],
    ids=["missing", "invalid", "few", "none"],
)
def test_what_cannot_be_told_fails_a_gate_and_only_a_gate(files, capsys, base, other, why):
    names = files(A=base, B=other)
    assert bench(*names) == 0
    assert bench(*names, "--fail-above", "5%") == 1
    assert why in capsys.readouterr().err


def test_a_gate_that_could_not_have_seen_it_says_so_and_passes(files, capsys):
    assert bench(*files(A=run(1, yardstick=False), B=run(2, yardstick=False)), "--fail-above", "20%") == 0
    assert "could not have been seen; measure longer" in capsys.readouterr().err


def test_a_gate_that_would_have_missed_even_twice_its_limit_fails(files, capsys):
    assert bench(*files(A=run(1, yardstick=False), B=run(2, yardstick=False)), "--fail-above", "5%") == 1
    assert "--fail-above 5%: " in (told := capsys.readouterr().err)
    assert "not even a change of 10.0% could have been seen" in told


def test_nothing_to_compare_is_an_error(files, capsys):
    one, other = files(A=steady(), B=steady(scenario="cold"))
    assert bench(one) == 2
    assert "no two results of one scenario to compare; give a second record" in capsys.readouterr().err
    assert bench(one, other) == 2
    assert "no result of the first record has its like" in capsys.readouterr().err


def test_a_file_that_is_no_record_is_one_line(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert bench(str(tmp_path / "x.json")) == 2
    assert bench(str(tmp_path / "absent.json")) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
