"""Whole runs with everything scripted: what comes out is known to the last digit."""

import json
from contextlib import nullcontext

import msgspec
import pytest
import trees
from edge.benchmarks import record as records
from edge.benchmarks.seen import iso

from edge import adapters
from edge.errors import ConfigError, EdgeError
from edge.types import Power

CODES = lambda result: {caution.code: caution.verdict for caution in result.warnings}  # noqa: E731


def test_a_run_of_a_model_that_takes_four_milliseconds_says_so(whole):
    record = whole()
    (result,) = record.results
    assert record.complete and record.version == 1 and record.started_at == "2026-01-01T00:00:00.000Z"
    assert (result.scenario, result.model, result.backend, result.threads) == (
        "interpreter",
        "made up",
        "scripted",
        None,
    )
    assert result.latency_ms.samples == [4.0] * 500
    assert (result.latency_ms.median, result.latency_ms.p95, result.latency_ms.p99) == (4.0, 4.0, None)
    assert (result.fps, result.seconds, result.at_s[:2]) == (250.0, 2.0, [0.004, 0.008])
    assert result.stages_ms == {} and result.age_ms is None and result.frames is None
    assert (result.power, result.power_not_measured) == (None, "no meter is scripted")


def test_the_warm_up_is_kept_apart_and_ends_when_the_model_gets_no_faster(whole):
    slow_at_first = ["sleep 0.04", "class 3"] * 5 + ["sleep 0.004", "class 3"] * 2000
    (result,) = whole(whole.job("interpreter", *slow_at_first)).results
    assert result.warmup.samples_ms[:6] == [40.0, 40.0, 40.0, 40.0, 40.0, 4.0]
    assert result.warmup.settled
    assert result.warmup.seconds == 0.8  # 0.2 s of slow ones, 0.2 s of fast ones, and two windows no faster than these
    assert result.first_inference_ms == 40.0
    assert set(result.latency_ms.samples) == {4.0}


def test_a_model_that_never_settles_is_measured_all_the_same_and_told(whole):
    faster = [step for n in range(2000) for step in (f"sleep {0.5 * 0.9 ** (n / 2):.6f}", "class 1")]
    (result,) = whole(whole.job("interpreter", *faster, duration_s=0.1)).results
    assert not result.warmup.settled
    assert CODES(result)["first samples slow"] == "suspect"


def test_every_scenario_of_the_loop_splits_a_frame_into_its_stages(whole):
    record = whole(*[whole.job(name, duration_s=0.8) for name in ("single-stream", "camera", "offline")])
    for result in record.results:
        assert result.stages_ms["inference"].median == 4.0, result.scenario
        assert result.stages_ms["preprocess"].median == result.stages_ms["postprocess"].median == 0.0
        assert (result.latency_ms.median, result.fps, result.error) == (4.0, 250.0, None)


def test_the_camera_scenario_tells_the_age_of_frames_and_what_became_of_them(whole):
    (result,) = whole(whole.job("camera")).results
    assert result.frames == records.Frames(answered=500, replaced=0, undecodable=0)
    assert result.age_ms.min > 4.0, "frames of a recording wait their turn"
    assert result.source == "scripted"


def test_a_count_ends_a_run_as_well_as_a_duration_does(whole):
    (result,) = whole(whole.job(count=7, duration_s=None)).results
    assert result.latency_ms.count == 7
    assert CODES(result)["too few samples"] == "invalid"


def test_a_model_that_fails_half_way_keeps_what_was_measured_and_the_next_is_run(whole):
    fails = ["sleep 0.004", "class 3"] * 400 + ["fail device lost"]
    record = whole(whole.job("interpreter", *fails), whole.job())
    first, second = record.results
    assert first.error == "scripted interpreter: device lost; the script says so"
    assert first.latency_ms.count == 399 - len(first.warmup.samples_ms) > 0
    assert (first.verdict, second.verdict) == ("invalid", "valid")
    assert [str(error) for error in whole.session.errors] == [first.error]
    assert "device lost" in str(whole.shown.told[-1]) or any("device lost" in str(told) for told in whole.shown.told)


def test_a_model_that_fails_at_once_is_told_and_the_next_is_run(whole):
    record = whole(whole.job("interpreter", "fail no power"), whole.job())
    assert [result.verdict for result in record.results] == ["valid"]
    assert "no power" in str(whole.session.errors[0])


@pytest.mark.parametrize("scenario", ["interpreter", "streams"])
def test_no_figure_is_of_two_backends(whole, scenario):
    made = []

    def opening():
        engine = whole.engine("sleep 0.004", "class 3")
        engine.interpreter.backend, engine.instead_of = ("cpu", ("npu: it is taken",)) if made else ("npu", ())
        made.append(engine)
        return engine

    record = whole(whole.job(scenario, open=opening, streams=2))
    told = "made up on npu was measured, and now made up on cpu would be, because npu: it is taken; a figure is of one"
    if scenario == "streams":
        assert record.results == [] and told in record.failed[0].error
    else:
        assert record.results[0].backend == "npu" and told in record.results[0].fidelity_not_measured
    assert len(made) == 2 and all(engine.interpreter.closed for engine in made)


def test_a_duration_too_short_for_one_sample_is_told(whole):
    record = whole(whole.job(duration_s=0.001))
    assert record.results == []
    with pytest.raises(ConfigError, match=r"--duration 0.001: one sample takes 0.004 s; give more"):
        raise whole.session.errors[0]


def test_a_source_that_ends_in_the_warm_up_is_told(whole):
    whole(whole.job("camera", camera=("frames 1",)))
    with pytest.raises(ConfigError, match="ended during the warm-up; give a longer source"):
        raise whole.session.errors[0]


def test_a_source_that_ends_keeps_what_was_measured(whole):
    (result,) = whole(whole.job("camera", camera=("frames 300",))).results
    assert result.latency_ms.count == 299 - len(result.warmup.samples_ms)
    assert result.error is None


def test_an_interrupt_keeps_what_was_measured_and_ends_the_run(whole, tmp_path):
    whole.clock.at(2.0, whole.stop.set)
    out = tmp_path / "r.json"
    record = whole(whole.job(duration_s=10.0), whole.job(), out=out)
    (result,) = record.results
    assert 100 < result.latency_ms.count < 500 and result.error == "interrupted"
    assert not record.complete
    assert records.read(out) == record


def test_an_interrupt_before_the_first_sample_leaves_a_record_without_a_result(whole):
    whole.clock.at(0.1, whole.stop.set)
    record = whole()
    assert (record.results, record.complete) == ([], False)


def test_results_are_saved_before_they_are_shown_and_read_back_the_same(whole, tmp_path):
    out = tmp_path / "new" / "r.json"
    record = whole(whole.job(), whole.job("single-stream"), out=out)
    assert records.read(out) == record
    raw = json.loads(out.read_text())
    assert [r["latency_ms"]["samples"][0] for r in raw["results"]] == [4.0, 4.0]
    assert "p99.9" in raw["results"][0]["latency_ms"]


def test_the_same_script_gives_the_same_record_to_the_last_digit(whole, tmp_path):
    again = type(whole)(tmp_path)
    names = ("single-stream", "camera", "offline", "interpreter")
    one = whole(*[whole.job(name, duration_s=0.5) for name in names])
    other = again(*[again.job(name, duration_s=0.5) for name in names])
    strip = lambda record: [msgspec.structs.replace(r, harness_us=None) for r in record.results]  # noqa: E731
    assert strip(one) == strip(other)


# --- boards


def test_a_pi_4_that_begins_to_throttle_makes_its_run_invalid_and_says_what_to_do(whole, tmp_path):
    board = trees.pi4(tmp_path / "pi4", governor="performance")
    whole.clock.at(3.0, lambda: board.say("get_throttled", "throttled=0x50005"))
    (result,) = whole(whole.job(duration_s=5.0), bench=whole.bench(board)).results
    assert result.verdict == "invalid"
    told = [caution for caution in result.warnings if caution.verdict == "invalid"]
    assert any("under-voltage" in caution.text for caution in told)
    assert all(caution.advice for caution in told)
    assert "under-voltage" in result.host_after.limits and result.host_before.limits == ()
    assert result.watch[0].limits == ()


def test_a_pi_4_that_throttled_before_the_run_and_no_more_is_not_blamed(whole, tmp_path):
    board = trees.pi4(tmp_path / "pi4", governor="performance", throttled=0x50000)
    (result,) = whole(bench=whole.bench(board)).results
    assert (result.verdict, result.warnings) == ("valid", [])


def test_a_jetson_tells_the_total_rail_and_joules_gross_and_net(whole, tmp_path):
    board = trees.jetson(tmp_path / "jetson", milliamps=1000)
    rail = adapters.open("power", "hwmon", root=board.root)
    whole.clock.at(5.01, lambda: board.put("sys/class/hwmon/hwmon1/curr1_input", 2000))
    (result,) = whole(whole.job(), bench=whole.bench(board, rail), idle_s=5.0).results
    power = result.power
    assert "VDD_IN" in power.meter and power.misses
    assert (power.idle_watts, power.watts) == (pytest.approx(5.0), pytest.approx(10.0))
    assert power.joules_per_inference == pytest.approx(0.04)
    assert power.joules_per_inference_net == pytest.approx(0.02)
    assert power.inferences_per_joule == pytest.approx(25.0)
    assert result.idle.seconds == 5.0


def test_a_pi_5_tells_what_its_power_chip_reads_and_what_that_misses(whole, tmp_path):
    board = trees.pi5(tmp_path / "pi5", governor="performance", core_amps=2.0)
    chip = adapters.open("power", "pmic", run=board.run)
    (result,) = whole(bench=whole.bench(board, chip)).results
    assert result.power.watts == pytest.approx(trees.PMIC_OTHERS_W + 2 * trees.PMIC_CORE_V, rel=1e-6)
    assert "5 V" in result.power.misses
    assert (result.power.idle_watts, result.power.joules_per_inference_net) == (None, None)
    assert result.verdict == "valid"


def test_a_meter_that_vanishes_in_mid_run_loses_no_latency(whole):
    meter = adapters.open("power", "scripted", script=["watts 4"] * 8 + ["fail it was unplugged"])
    (result,) = whole(bench=whole.bench(meter=meter)).results
    assert result.latency_ms.count == 500
    assert "unplugged" in result.power_not_measured


def test_the_csv_of_an_outside_meter_is_matched_by_the_wall_clock(whole, tmp_path):
    log = tmp_path / "meter.csv"
    rows = [f"{1_767_225_600 + tenth / 10},{3.0 if tenth <= 50 else 6.0}" for tenth in range(100)]
    log.write_text("\n".join(["time,watts", *rows]))
    (result,) = whole(idle_s=5.0, log=log).results
    assert (result.power.idle_watts, result.power.watts) == (pytest.approx(3.0), pytest.approx(6.0))


def test_a_csv_with_a_hole_loses_no_latency_and_says_where_it_is(whole, tmp_path):
    log = tmp_path / "meter.csv"
    rows = [f"{1_767_225_600 + tenth / 10},5" for tenth in range(100) if not 20 <= tenth < 28]
    log.write_text("\n".join(["time,watts", *rows]))
    (result,) = whole(whole.job(duration_s=4.0), log=log).results
    assert result.power is None and "line 22" in result.power_not_measured
    assert result.latency_ms.count == 1000


def test_a_yardstick_is_timed_ten_times_a_second_beside_the_samples_and_counts_in_none(whole):
    def work():
        whole.clock.sleep(0.0005)

    (result,) = whole(bench=whole.bench(yardstick=work)).results
    assert set(result.yardstick.ms) == {0.5}
    assert 18 <= len(result.yardstick.ms) <= 21
    assert set(result.latency_ms.samples) == {4.0} and result.fps == 250.0


def test_samples_are_told_apart_from_what_the_harness_costs(whole):
    (result,) = whole().results
    assert result.harness_us == 0.0 and result.watching_share == 0.0


# --- records


def test_a_record_follows_its_schema(whole, tmp_path):
    schema = records.schema()
    names = schema["$defs"]["Result"]["properties"]
    assert {"scenario", "model", "backend", "threads", "fps", "verdict", "latency_ms", "stages_ms"} <= set(names)
    assert {"median", "mean", "p90", "p95", "p99", "p99.9", "samples"} <= set(schema["$defs"]["Summary"]["properties"])
    assert schema["$defs"]["Record"]["properties"]["results"]["type"] == "array"
    raw = json.loads(msgspec.json.encode(whole()))
    assert set(raw["results"][0]) == set(names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "no record of edge-bench"),
        ('{"version": 2}', "a record of version 2, and this edge-bench reads version 1"),
        ('{"version": 1}', "no record of edge-bench: tool: this key is needed"),
        ("\xff", "not JSON"),
    ],
)
def test_what_is_no_record_is_refused_with_a_clear_line(tmp_path, text, said):
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=said):
        records.read(path)


def test_a_record_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        records.read(tmp_path / "none.json")
    with pytest.raises(EdgeError):
        records.read(tmp_path)


# --- what happens between the warm-up and the window is in no figure


class SlowToTell:
    """A host whose state takes a while to read, as a Pi's does."""

    def __init__(self, inner, sleep):
        self.inner, self.sleep = inner, sleep
        self.facts, self.forget_peak = inner.facts, inner.forget_peak

    def state(self):
        self.sleep(0.06)
        return self.inner.state()


@pytest.mark.parametrize("scenario", ["interpreter", "camera", "offline"])
def test_reading_the_host_is_in_no_sample_and_not_in_the_rate(whole, scenario):
    bench = whole.bench()
    bench = bench._replace(host=SlowToTell(bench.host, whole.clock.sleep), every=lambda seconds, tick: nullcontext())
    (result,) = whole(whole.job(scenario, duration_s=0.5), bench=bench).results
    assert (result.latency_ms.max, result.fps) == (4.0, 250.0)
    assert result.at_s[0] == 0.004
    if result.frames:
        assert result.frames.answered == result.latency_ms.count


def test_the_wall_clock_of_a_window_is_that_of_its_beginning(whole):
    (result,) = whole().results
    begun = 1_767_225_600 + result.warmup.seconds + 0.004
    assert result.started_at == iso(begun)


def test_a_record_that_cannot_be_saved_any_more_lies_elsewhere_and_it_is_said_where(whole, tmp_path, monkeypatch):
    out, elsewhere = tmp_path / "folder", tmp_path / "tmp"
    out.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    record = whole(whole.job(), whole.job(), out=out)
    (error,) = whole.session.errors
    found = next(elsewhere.glob("*/folder"))
    assert f"the record lies at {found} instead" in str(error)
    assert records.read(found) == record
    assert error in whole.shown.told


def test_a_meter_of_ones_own_that_breaks_loses_no_samples(whole):
    class Broken:
        name = covers = misses = "broken"

        def read(self):
            raise OSError("bus error")

        def close(self):
            pass

    (result,) = whole(bench=whole.bench(meter=Broken())).results
    assert result.latency_ms.count == 500
    assert result.power_not_measured == "OSError: bus error"


class Vendor:
    """An interpreter of somebody else's, which raises what it likes."""

    def __init__(self, inner, at, error):
        self.inner, self.at, self.error, self.asked = inner, at, error, 0
        self.inputs, self.outputs, self.backend, self.close = inner.inputs, inner.outputs, "vendor", inner.close

    def infer(self, tensor):
        self.asked += 1
        if self.asked == self.at:
            raise self.error
        return self.inner.infer(tensor)


@pytest.mark.parametrize("error", [ValueError("bad handle"), OSError("bus"), SystemExit(3), RuntimeError()])
@pytest.mark.parametrize("at", [1, 50, 300])
def test_whatever_an_interpreter_raises_loses_only_what_it_did_not_measure(whole, error, at):
    def engine():
        made = whole.engine("sleep 0.004", "class 3")
        made.interpreter = Vendor(made.interpreter, at, error)
        return made

    record = whole(whole.job(open=engine), whole.job())
    assert record.results[-1].verdict == "valid" and record.results[-1].backend == "scripted"
    (told,) = whole.session.errors
    assert type(error).__name__ in str(told) and told.exit_code == 1
    if at == 300:
        assert record.results[0].error == str(told) and record.results[0].latency_ms.count == 148
    else:
        (failed,) = record.failed
        assert (failed.scenario, failed.error, record.complete) == ("interpreter", str(told), False)


def test_a_meter_that_tells_no_number_is_not_measured(whole):
    meter = adapters.open("power", "scripted", script=["watts 4"])
    meter.read = lambda: Power(watts=float("nan"))
    (result,) = whole(bench=whole.bench(meter=meter), idle_s=1.0).results
    assert result.power is None and "it told no number" in result.power_not_measured
    assert "meter gone" in CODES(result)


def test_another_backend_than_the_preferred_one_is_told(whole):
    def engine():
        made = whole.engine("sleep 0.004", "class 3")
        made.instead_of = ("npu cannot run here: no driver",)
        return made

    (result,) = whole(whole.job(open=engine)).results
    assert CODES(result) == {"another backend": "suspect"}
    assert "no driver" in result.warnings[0].text
