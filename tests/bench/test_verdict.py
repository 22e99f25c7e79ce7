"""What makes a result suspect or invalid: each threshold at its boundary, and nothing on a quiet board."""

import math

import made
import numpy as np
import pytest
import trees
from edge.benchmarks import conditions, stats, verdict
from edge.benchmarks.record import Warmup, Yardstick
from edge.benchmarks.verdict import judged

from edge.host.linux import Linux

SECONDS = 30.0


def quiet(count=3000, **changes):
    """A result of a board that does nothing else: half a per cent of noise."""
    samples = changes.pop("samples", None)
    if samples is None:
        samples = 4 * (1 + 0.005 * np.random.default_rng(1).normal(size=count))
    samples = [float(each) for each in samples]
    given = {
        "samples": samples,
        "latency_ms": stats.summary(samples),
        "at_s": [SECONDS * (number + 1) / max(len(samples), 1) for number in range(len(samples))],
        "seconds": SECONDS,
        "host_before": made.state(at_ns=0),
        "host_after": made.state(at_ns=int(SECONDS * 1e9), busy_s=131.0, own_s=32.0),
        "watch": list(made.moments(SECONDS)),
        "yardstick": None,
        "power_not_measured": None,
        "error": None,
        "fps": 250.0,
    }
    return made.result(**{**given, **changes})


def after(**changes):
    return made.state(**{"at_ns": int(SECONDS * 1e9), "busy_s": 131.0, "own_s": 32.0, **changes})


def warnings(result, **facts):
    return judged(result, made.facts(**facts)).warnings


def codes(result, **facts):
    return [each.code for each in warnings(result, **facts)]


@pytest.mark.parametrize("family", ["raspberry-pi", "jetson", "pc", "other"])
def test_a_quiet_board_is_valid(family):
    found = judged(quiet(verdict="invalid", warnings=[made.caution()]), made.facts(family=family))
    assert (found.verdict, found.warnings) == ("valid", [])


def test_what_is_not_known_is_no_reason_for_doubt():
    unknown = quiet(
        host_before=conditions.State(at_ns=0),
        host_after=conditions.State(at_ns=1),
        watch=[
            conditions.Moment(
                at_s=0.0, clock_mhz=None, temperature_c=None, limits=None, other_load=None, memory_bytes=None
            )
        ],
        warmup=None,
        fidelity=None,
        power=None,
        power_not_measured="no meter",
        idle=None,
    )
    assert codes(unknown) == []


def test_judging_changes_nothing_but_warnings_and_verdict_and_can_be_done_again():
    result = quiet(count=20)
    once = judged(result, made.facts())
    assert judged(once, made.facts()) == once
    assert result.warnings == [], "what was given is as it was"
    assert once.latency_ms == result.latency_ms


def test_the_worst_warning_stands_first_and_is_the_verdict():
    found = judged(quiet(count=20, host_after=after(swapped_bytes=1 << 30, governors=("ondemand",))), made.facts())
    assert found.verdict == "invalid"
    assert [each.code for each in found.warnings] == ["swapping", "too few samples", "governor"]


@pytest.mark.parametrize(
    ("count", "found"), [(0, "invalid"), (1, "invalid"), (7, "invalid"), (8, "suspect"), (63, "suspect"), (64, "valid")]
)
def test_too_few_samples(count, found):
    result = judged(quiet(count=count), made.facts())
    assert result.verdict == found
    assert [each.code for each in result.warnings] == ["too few samples"] * (found != "valid")


def test_one_sample_is_one_sample():
    assert warnings(quiet(count=1))[0].text.startswith("1 sample:")


@pytest.mark.parametrize(("count", "found"), [(7, ["too few samples"]), (8, [])])
def test_of_fresh_processes_a_median_is_enough(count, found):
    assert codes(quiet(count=count, scenario="cold")) == found


def test_a_failure_half_way_is_invalid_and_an_interrupt_is_not():
    failed = warnings(quiet(error="the model fails when it runs"))
    assert [(each.code, each.verdict) for each in failed] == [("failed", "invalid")]
    assert failed[0].text == "ended early, after 3000 samples: the model fails when it runs"
    stopped = warnings(quiet(error=verdict.INTERRUPTED))
    assert [(each.code, each.verdict) for each in stopped] == [("interrupted", "suspect")]


@pytest.mark.parametrize(
    ("pictures", "wrong", "far", "found"),
    [
        (3, 0, 0.1, None),
        (3, 1, 0.19, None),
        (3, 1, 0.2, "wrong answers"),
        (3, 2, 0.01, "wrong answers"),
        (10, 1, 0.1, None),
        (10, 1, 0.29, None),
        (30, 3, 0.25, None),
        (30, 4, 0.25, "wrong answers"),
        (30, 0, 0.3, "unlike answers"),
        (300, 3, 0.9, "unlike answers"),
        (30, 30, 1.0, "wrong answers"),
        (30, 0, math.nan, "wrong answers"),
    ],
)
def test_a_backend_with_other_answers_is_told_from_one_that_rounds_differently(pictures, wrong, far, found):
    share = (pictures - wrong) / pictures
    seen = made.fidelity(pictures=pictures, agreement=share, largest_difference=far)
    result = judged(quiet(fidelity=seen), made.facts())
    assert [each.code for each in result.warnings] == ([found] if found else [])
    assert result.verdict == {None: "valid", "wrong answers": "invalid", "unlike answers": "suspect"}[found]


@pytest.mark.parametrize(("change", "found"), [(0.03, []), (0.07, ["drifting"]), (-0.07, ["drifting"])])
def test_a_latency_that_rises_or_falls_over_the_window_is_drifting(change, found):
    samples = 4 * (1 + change * np.linspace(0, 1, 3000) + 0.002 * np.random.default_rng(2).normal(size=3000))
    told = [each for each in warnings(quiet(samples=samples)) if each.code != "first samples slow"]
    assert [each.code for each in told] == found
    if found:
        assert f"{'rose' if change > 0 else 'fell'} by {abs(change):.0%} over 30 s" in told[0].text


def test_a_latency_that_jumps_about_is_not_drifting():
    samples = 4 * (1 + np.repeat(0.1 * np.random.default_rng(2).normal(size=30), 100))
    assert "drifting" not in codes(quiet(samples=samples))


def test_warm_up_that_did_not_settle_is_suspect():
    warmup = Warmup(rule="rule", settled=False, seconds=10.0, samples_ms=[5.0])
    assert [each.text for each in warnings(quiet(warmup=warmup))] == ["warm-up did not settle within 10.0 s"]


@pytest.mark.parametrize(("slower", "found"), [(1.04, []), (1.07, ["first samples slow"])])
def test_first_samples_that_are_slower_than_the_rest_are_suspect(slower, found):
    samples = np.full(3000, 4.0)
    samples[:150] *= slower
    assert codes(quiet(samples=samples)) == found


def test_first_samples_are_not_slow_where_many_are_as_slow():
    samples = np.full(3000, 4.0)
    samples[::5] = 5.0
    samples[:150] = 4.9
    assert codes(quiet(samples=samples)) == []


@pytest.mark.parametrize(
    ("far", "scenario", "found"), [(7.9, "interpreter", []), (8.1, "interpreter", ["wide tail"]), (8.1, "camera", [])]
)
def test_a_tail_that_reaches_twice_the_median_is_wide(far, scenario, found):
    samples = np.full(3000, 4.0)
    samples[10::50] = far
    assert codes(quiet(samples=samples, scenario=scenario)) == found


@pytest.mark.parametrize(("net", "found"), [(None, []), (0.0, []), (0.05, []), (-0.001, ["idle not idle"])])
def test_an_idle_time_that_drew_more_than_the_run_was_not_idle(net, found):
    use = made.power(watts=5.0, idle_watts=5.1, joules_per_inference_net=net)
    told = warnings(quiet(power=use))
    assert [each.code for each in told] == found
    if found:
        assert told[0].text == "idling drew 5.1 W and the run 5 W, so that the net joules are below 0"
        assert told[0].verdict == "suspect"


def test_a_meter_that_vanished_in_mid_run_is_suspect_and_none_at_all_is_not():
    assert codes(quiet(power_not_measured="the sensor has gone")) == ["meter gone"]
    assert codes(quiet(power=None, power_not_measured="no meter", idle=None)) == []
    assert codes(quiet(power=None, power_not_measured="it has gone")) == ["meter gone"]


@pytest.mark.parametrize(
    ("family", "advice"),
    [
        ("raspberry-pi", "echo performance | sudo tee"),
        (
            "jetson",
            "(`sudo nvpmodel -p --verbose` lists them, `sudo nvpmodel -m N` sets one), then",
        ),
        ("pc", "sudo cpupower frequency-set -g performance"),
        ("other", "echo performance | sudo tee"),
    ],
)
def test_a_governor_that_follows_the_load_is_suspect_and_the_advice_fits_the_board(family, advice):
    found = warnings(quiet(host_before=made.state(governors=("ondemand", "performance"))), family=family)
    assert [(each.code, each.verdict) for each in found] == [("governor", "suspect")]
    assert found[0].text == "the governor is ondemand, so that clocks follow the load"
    assert advice in found[0].advice


def held(least, most=1510.4, **changes):
    """Of a Jetson, whose governor stays what it is."""
    cores = {"governors": ("schedutil",), "clocks_mhz": (1510.4,) * 6, "most_mhz": (most,) * 6}
    return made.state(**{**cores, "least_mhz": least, "at_ns": 0, **changes})


@pytest.mark.parametrize(
    ("least", "found"),
    [((1510.4,) * 6, []), ((*(1510.4,) * 5, 729.6), ["governor"]), ((1510.4,) * 5, ["governor"]), (None, ["governor"])],
)
def test_a_governor_that_may_choose_one_clock_alone_follows_nothing(least, found):
    later = {"at_ns": int(SECONDS * 1e9), "busy_s": 131.0, "own_s": 32.0}
    run = quiet(host_before=held(least), host_after=held(least, **later), watch=moments(clock_mhz=lambda _: 1510.4))
    assert codes(run, family="jetson") == found


@pytest.mark.parametrize(("least", "found"), [(1510.4, "valid"), (729.6, "suspect")])
def test_a_jetson_whose_user_did_as_advised_is_valid(tmp_path, least, found):
    machine = Linux(root=trees.jetson(tmp_path, least=least).root, clock=iter((0, 30 * 10**9)).__next__)
    before, end, facts = machine.state(), machine.state(), machine.facts()
    watch = moments(clock_mhz=lambda _: max(end.clocks_mhz))
    assert judged(quiet(host_before=before, host_after=end, watch=watch), facts).verdict == found


def test_a_clock_that_was_held_at_one_end_alone_was_not_held():
    later = held((1510.4,) * 6, at_ns=int(SECONDS * 1e9), busy_s=131.0, own_s=32.0)
    run = quiet(host_before=held((729.6,) * 6), host_after=later, watch=moments(clock_mhz=lambda _: 1510.4))
    assert codes(run, family="jetson") == ["governor"]


def moments(**changes):
    return [
        next(made.moments(0, at_s=float(second), **{name: of(second) for name, of in changes.items()}))
        for second in range(31)
    ]


def test_under_voltage_during_the_run_is_invalid():
    watch = moments(limits=lambda second: ("under-voltage",) if second == 12 else ())
    found = warnings(quiet(watch=watch))
    assert [(each.code, each.verdict) for each in found] == [("under-voltage", "invalid")]
    assert found[0].text == "under-voltage during the run, first seen after 12 s"
    assert "5 V 3 A" in found[0].advice
    assert "5 V 5 A" in warnings(quiet(watch=watch), board="Raspberry Pi 5 Model B Rev 1.0")[0].advice
    assert "barrel jack" in warnings(quiet(watch=watch), family="jetson", board=None)[0].advice


def test_throttling_that_only_the_flags_since_boot_show_is_invalid_if_they_are_new():
    fresh = quiet(host_after=after(limits_since_boot=("throttled", "frequency capped")))
    assert [each.text for each in warnings(fresh)] == ["throttled, frequency capped during the run"]
    assert judged(fresh, made.facts()).verdict == "invalid"
    old = ("throttled",)
    assert codes(quiet(host_before=made.state(limits_since_boot=old), host_after=after(limits_since_boot=old))) == []
    unknown = made.state(limits_since_boot=None)
    assert codes(quiet(host_before=unknown, host_after=after(limits_since_boot=old))) == [], "it may have stood before"


def test_a_count_of_throttlings_that_rises_is_invalid():
    found = warnings(quiet(host_before=made.state(limit_events=5), host_after=after(limit_events=8)), family="pc")
    assert [(each.code, each.text) for each in found] == [("throttled", "3 throttling events during the run")]
    assert "sensors" in found[0].advice
    assert codes(quiet(host_before=made.state(limit_events=5), host_after=after(limit_events=5))) == []


@pytest.mark.parametrize(("moved", "found"), [(1 << 20, []), ((1 << 20) + 1, ["swapping"])])
def test_swapping_during_the_run_is_invalid(moved, found):
    result = judged(quiet(host_after=after(swapped_bytes=moved)), made.facts())
    assert [each.code for each in result.warnings] == found
    assert result.verdict == ("invalid" if found else "valid")


@pytest.mark.parametrize(
    ("clock", "family", "found"),
    [(1620.0, "raspberry-pi", []), (1619.0, "raspberry-pi", ["clock low"]), (1619.0, "pc", [])],
)
def test_a_clock_below_what_it_may_be_is_suspect_on_a_board_with_one_clock(clock, family, found):
    assert codes(quiet(watch=moments(clock_mhz=lambda second: clock)), family=family) == found


@pytest.mark.parametrize(("clock", "found"), [(1600.0, []), (1300.0, ["clock low"])])
def test_the_clock_of_the_fastest_core_is_held_against_the_highest_that_any_may_have(clock, found):
    before = made.state(most_mhz=(1190.0, 1190.0, 1510.0, 1510.0))
    told = warnings(quiet(host_before=before, watch=moments(clock_mhz=lambda _: clock)))
    assert [each.code for each in told] == found
    if found:
        assert told[0].text == "the clock of the fastest core was 1300 MHz, where 1510 MHz is allowed"


@pytest.mark.parametrize(("clock", "found"), [(3600.0, []), (3599.0, ["clock fell"])])
def test_a_clock_that_falls_is_suspect(clock, found):
    watch = moments(clock_mhz=lambda second: 4000.0 if second < 15 else clock)
    told = warnings(quiet(watch=watch), family="pc")
    assert [each.code for each in told] == found
    if found:
        assert told[0].text == "the clock fell from 4000 to 3599 MHz during the run"


def test_one_reading_of_the_clock_tells_of_no_fall():
    assert codes(quiet(watch=moments(clock_mhz=lambda second: 100.0)[:1]), family="pc") == []


@pytest.mark.parametrize(
    ("degrees", "family", "found"),
    [
        (79.9, "raspberry-pi", []),
        (80.0, "raspberry-pi", ["hot"]),
        (89.9, "jetson", []),
        (94.9, "pc", []),
        (95.0, "pc", ["hot"]),
    ],
)
def test_a_board_that_is_about_to_slow_itself_is_hot(degrees, family, found):
    told = warnings(
        quiet(watch=moments(temperature_c=lambda second: 40.0 + (second == 9) * (degrees - 40))), family=family
    )
    assert [each.code for each in told] == found
    if found:
        assert told[0].text.startswith(f"{degrees:.1f} °C")


@pytest.mark.parametrize(("busy", "found"), [(142.0, []), (142.1, ["busy machine"])])
def test_other_programs_that_take_more_than_a_tenth_of_the_cores_are_suspect(busy, found):
    # 4 cores for 30 s: a tenth is 12 s, beside the 30 s of the program itself
    told = warnings(quiet(host_after=after(busy_s=busy)))
    assert [each.code for each in told] == found
    if found:
        assert told[0].text == "other programs kept 0.4 of 4 cores busy"


def test_the_load_of_others_is_that_of_the_moments_where_nothing_better_is_told():
    unknown = {"host_before": made.state(busy_s=None), "host_after": after(busy_s=None)}
    assert codes(quiet(**unknown, watch=moments(other_load=lambda second: 0.5))) == ["busy machine"]
    assert codes(quiet(**unknown, watch=moments(other_load=lambda second: 0.3))) == []


@pytest.mark.parametrize(("milliseconds", "found"), [(499, []), (500, ["busy machine"])])
def test_a_window_of_few_ticks_tells_of_no_load(milliseconds, found):
    # one core: 50 ms of half a second are a tenth, and a tick is 10 ms
    end = after(at_ns=milliseconds * 10**6, busy_s=100.2, own_s=2.1, stolen_s=0.0)
    assert codes(quiet(host_before=made.state(stolen_s=0.0), host_after=end), cores=1) == found
    moved = after(at_ns=499 * 10**6, busy_s=100.0, own_s=2.0, stolen_s=0.3)
    assert codes(quiet(host_before=made.state(stolen_s=0.0), host_after=moved), cores=1) == []


def test_no_more_cores_are_busy_and_no_more_time_is_stolen_than_there_are():
    end = after(at_ns=10**9, busy_s=101.3, own_s=2.0, stolen_s=1.1)
    found = warnings(quiet(host_before=made.state(stolen_s=0.0), host_after=end), cores=1)
    assert [each.text for each in found] == [
        "other programs kept 1 of 1 cores busy",
        "the hypervisor gave 100.0% of this machine's time to others",
    ]


def test_two_ticks_of_a_core_are_no_stolen_time():
    for ticks, found in ((2, []), (3, ["stolen time"])):
        end = after(at_ns=10**9, busy_s=100.0, own_s=2.0, stolen_s=ticks / 100)
        assert codes(quiet(host_before=made.state(stolen_s=0.0), host_after=end), cores=1) == found


@pytest.mark.parametrize(("taken", "found"), [(1.19, []), (1.3, ["stolen time"])])
def test_time_that_a_hypervisor_took_is_suspect(taken, found):
    told = warnings(quiet(host_before=made.state(stolen_s=5.0), host_after=after(stolen_s=5.0 + taken)))
    assert [each.code for each in told] == found
    if found:
        assert "1.1%" in told[0].text


def stick(levels):
    """A yardstick of ten calls a second that is at each level for as long."""
    calls = np.repeat(levels, 300 // len(levels))
    return Yardstick(what="work", ms=calls.tolist(), at_s=[(number + 0.5) / 10 for number in range(len(calls))])


def test_a_machine_whose_own_speed_varies_is_unsteady():
    assert codes(quiet(yardstick=stick([0.3, 0.305, 0.31, 0.3]))) == []
    found = warnings(quiet(yardstick=stick([0.3, 0.33, 0.36, 0.3])))
    assert [(each.code, each.verdict) for each in found] == [("unsteady machine", "suspect")]
    assert found[0].text == (
        "the machine itself was unsteady: the same inference took 20% longer in one part of the run than in another"
    )


@pytest.mark.parametrize(("count", "found"), [(23, []), (24, ["unsteady machine"])])
def test_a_yardstick_of_few_calls_tells_nothing(count, found):
    at_s = [SECONDS * (number + 0.5) / count for number in range(count)]
    halves = Yardstick(what="work", ms=[30.0 if at < SECONDS / 2 else 40.0 for at in at_s], at_s=at_s)
    assert codes(quiet(yardstick=halves)) == found


def test_single_calls_of_the_yardstick_that_were_disturbed_are_no_unsteadiness():
    few = [14.0 if number in (2, 3, 17, 18) else 4.0 for number in range(34)]
    at_s = [SECONDS * (number + 0.5) / 34 for number in range(34)]
    assert codes(quiet(yardstick=Yardstick(what="work", ms=few, at_s=at_s))) == []


def test_every_warning_says_what_to_do():
    bad = quiet(
        count=20,
        error="it failed",
        warmup=Warmup(rule="rule", settled=False, seconds=1.0, samples_ms=[]),
        fidelity=made.fidelity(agreement=0.0, largest_difference=1.0),
        power=made.power(joules_per_inference_net=-0.1),
        power_not_measured="gone",
        host_before=made.state(stolen_s=0.0, limit_events=0),
        host_after=after(stolen_s=9.0, limit_events=1, swapped_bytes=1 << 30, governors=("schedutil",), busy_s=200.0),
        watch=moments(limits=lambda _: ("under-voltage",), temperature_c=lambda _: 99.0, clock_mhz=lambda _: 600.0),
        yardstick=stick([0.3, 0.4]),
    )
    found = warnings(bad)
    assert len({each.code for each in found}) == len(found) == 15
    assert all(each.text and each.advice and "\n" not in each.text + each.advice for each in found)
