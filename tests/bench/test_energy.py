"""From readings and logs of meters to watts and joules."""

import csv
import itertools
import json
import math
import time
from pathlib import Path

import made
import pytest
from edge.benchmarks import energy, verdict
from edge.benchmarks.cli import cli as bench
from edge.benchmarks.energy import Reading
from edge.benchmarks.record import Window, read, save
from hypothesis import given
from hypothesis import strategies as st

from edge.cli import execute
from edge.errors import ConfigError, MeterError
from edge.power import scripted
from edge.types import Power

S = 1_000_000_000

METER = scripted.open(covers="the board", misses="the rest")


def watts(*pairs):
    """Readings from (seconds, watts)."""
    return [Reading(round(at * S), Power(watts=value)) for at, value in pairs]


def joules(*pairs):
    return [Reading(round(at * S), Power(joules=value)) for at, value in pairs]


def steady(value, start, end, step=0.5):
    return watts(*((start + step * n, value) for n in range(round((end - start) / step) + 1)))


def use(during, *, idle=(), window=(10, 20), inferences=100):
    return energy.power_use(METER, idle, during, (window[0] * S, window[1] * S), inferences)


# --- a meter of the board


def test_watts_become_joules_gross_and_net():
    found = use(steady(5.0, 10, 20), idle=steady(2.0, 0, 9))
    assert (found.meter, found.covers, found.misses) == ("scripted", "the board", "the rest")
    assert (found.watts, found.idle_watts, found.peak_watts) == (5.0, 2.0, 5.0)
    assert (found.joules, found.joules_per_inference, found.joules_per_inference_net) == (50.0, 0.5, 0.3)
    assert found.inferences_per_joule == 2.0
    assert found.readings[0] == (0.0, 5.0) and found.readings[-1] == (10.0, 5.0)


def test_between_readings_the_draw_goes_straight_from_one_to_the_other():
    found = use(watts((10, 0), (12, 4), (16, 4), (20, 8)))
    assert found.joules == pytest.approx(4 + 16 + 24)
    assert (found.watts, found.peak_watts) == (pytest.approx(4.4), 8)


def test_readings_outside_the_window_do_not_count():
    outside = watts((8, 900), (9.99, 900)), watts((20.01, 900), (21, 900))
    found = use(outside[0] + steady(5.0, 10, 20) + outside[1])
    assert (found.watts, found.peak_watts, len(found.readings)) == (5.0, 5.0, 21)


def test_a_counter_gives_the_difference_and_watts_between_its_readings():
    counted = joules((10, 3.0), (12, 9.0), (16, 11.0), (20, 13.0))
    found = use(counted, idle=joules((0, 0.0), (1, 0.5), (2, 1.0)))
    assert (found.joules, found.watts, found.peak_watts) == (10.0, 1.0, 3.0)
    assert (found.idle_watts, found.joules_per_inference_net) == (0.5, 0.05)
    assert found.readings == [(0.0, 3.0), (2.0, 3.0), (6.0, 0.5), (10.0, 0.5)]


@given(st.lists(st.floats(0.1, 500), min_size=3, max_size=60))
def test_a_counter_and_watts_of_the_same_draw_agree(values):
    step = 10 / (len(values) - 1)
    total, counts = 0.0, [0.0]
    for one, other in itertools.pairwise(values):
        total += step * (one + other) / 2
        counts.append(total)
    at = [10 + step * n for n in range(len(values))]
    by_watts, by_joules = use(watts(*zip(at, values, strict=True))), use(joules(*zip(at, counts, strict=True)))
    assert by_watts.joules == pytest.approx(by_joules.joules)
    assert min(values) * 0.999 <= by_watts.watts <= max(values) * 1.001


def test_without_readings_before_there_is_no_net():
    found = use(steady(5.0, 10, 20), idle=watts((1, 2.0), (2, 2.0)))
    assert (found.idle_watts, found.joules_per_inference_net) == (None, None)


def test_a_draw_that_is_as_at_rest_is_no_net_draw_at_all():
    assert use(steady(9.28, 10, 20, 0.1), idle=steady(9.28, 0, 9, 0.1)).joules_per_inference_net == 0.0


def test_without_an_inference_there_are_no_joules_of_one():
    found = use(steady(5.0, 10, 20), idle=steady(2.0, 0, 9), inferences=0)
    assert (found.joules, found.joules_per_inference, found.joules_per_inference_net) == (50.0, None, None)
    assert found.inferences_per_joule is None


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_readings_are_told_with_what_to_do(count):
    text = rf"scripted: {count} readings within 10.00 s, and 3 are needed; measure longer"
    with pytest.raises(MeterError, match=text):
        use(steady(5.0, 10, 20)[:count] + steady(5.0, 21, 30))


def test_a_meter_that_fell_out_half_way_gives_no_figures():
    with pytest.raises(MeterError, match=r"no reading for 5.0 s, 5.0 s after the start; see whether it fell out"):
        use(steady(5.0, 10, 15))


def test_a_meter_that_was_silent_in_between_gives_no_figures():
    with pytest.raises(MeterError, match=r"no reading for 2.0 s, 5.0 s after the start"):
        use(steady(5.0, 10, 15) + steady(5.0, 17, 20))


def test_a_meter_that_fell_out_at_the_very_end_gives_figures_and_that_is_said():
    found = use(steady(5.0, 10, 19.2, 0.1))
    assert found.watts == pytest.approx(5.0) and found.joules == pytest.approx(50.0)
    assert found.misses.startswith("the rest; 0.8 s of the 10.0 s, in which nothing was read")


def test_slow_readings_are_no_holes():
    assert use(steady(5.0, 11, 19, 2.0), window=(10, 20)).joules == pytest.approx(50.0)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_draw_that_cannot_be_is_refused(value):
    with pytest.raises(MeterError, match=rf"scripted: {value:.3g} W on average, which cannot be"):
        use(steady(value, 10, 20))


def test_a_count_that_falls_is_refused():
    with pytest.raises(MeterError, match="its count of joules fell"):
        use(joules((10, 0), (15, 9), (20, 8)))


def test_readings_of_one_moment_or_without_a_value_are_refused():
    with pytest.raises(MeterError, match="all readings are of one moment"):
        use(joules((15, 0), (15, 1), (15, 2)))
    with pytest.raises(MeterError, match=r"no reading for 5.0 s"):
        use(watts((15, 1), (15, 2), (15, 6)))
    with pytest.raises(MeterError, match="readings without watts or joules"):
        use([Reading(10 * S, Power()), *steady(5.0, 11, 20)])


def test_a_window_of_no_length_has_no_figures():
    with pytest.raises(MeterError, match=r"3 readings within 0.00 s, and 3 are needed"):
        use(watts((15, 1), (15, 2), (15, 6)), window=(15, 15))


def test_readings_before_that_are_of_one_moment_tell_no_idle_draw():
    assert use(steady(5.0, 10, 20), idle=watts((1, 2.0), (1, 2.0), (1, 2.0))).idle_watts is None


def test_of_very_many_readings_means_are_kept():
    found = use(steady(5.0, 10, 20, 10 / 25_000))
    assert len(found.readings) == 8334
    assert found.readings[0][0] == pytest.approx(10 / 25_000)
    assert all(value == 5.0 for _, value in found.readings)


# --- the log of an outside meter

START = 1_767_225_600.0
"""2026-01-01 at 00:00 UTC."""

WINDOW = Window(started_at="2026-01-01T00:00:10.000Z", seconds=10.0)
IDLE = Window(started_at="2026-01-01T00:00:02.000Z", seconds=5.0)


def logged(tmp_path, rows, heading="timestamp,watts"):
    file = tmp_path / "meter.csv"
    file.write_text("\n".join([heading, *rows]) + "\n")
    return file


def even(first=0.0, last=30.0, step=0.5, draw=lambda at: 5.0 if at >= 10 else 2.0):
    return [first + step * n for n in range(round((last - first) / step) + 1)], draw


def lines(*, first=0.0, last=30.0, step=0.5):
    at, draw = even(first, last, step)
    return [f"{START + each},{draw(each)}" for each in at]


def test_a_log_is_matched_by_the_wall_clock(tmp_path):
    found = energy.from_csv(logged(tmp_path, lines()), IDLE, WINDOW, 100)
    assert (found.watts, found.idle_watts, found.joules) == (5.0, 2.0, 50.0)
    assert (found.joules_per_inference, found.joules_per_inference_net) == (0.5, 0.3)
    assert found.meter == "log meter.csv"
    assert "its log does not tell" in found.covers
    assert found.readings[0] == (0.0, 5.0) and found.readings[-1] == (10.0, 5.0)


FORMS = {
    "unix seconds": ("time,power", lambda at: f"{START + at:.3f},{{}}", 1),
    "unix milliseconds": ("Timestamp,Power (W)", lambda at: f"{(START + at) * 1e3:.0f},{{}}", 1),
    "milliseconds by name": ("time_ms,power_mW", lambda at: f"{(START + at) * 1e3:.0f},{{}}", 1e3),
    "nanoseconds": ("epoch,W", lambda at: f"{round((START + at) * 1e9)},{{}}", 1),
    "ISO in UTC": ("timestamp,watts", lambda at: f"2026-01-01T00:00:{at:06.3f}Z,{{}}", 1),
    "ISO with a zone": ("Date/Time,Watts", lambda at: f"2026-01-01 01:30:{at:04.1f}+01:30,{{}}", 1),
    "ISO west of it": ("timestamp,watts", lambda at: f"2025-12-31T19:00:{at:04.1f}-0500,{{}}", 1),
    "date and time apart": ("Date;Time;P [W]", lambda at: f"2026/01/01;00:00:{at:04.1f}Z;{{}}", 1),
    "tabs": ("t [s]\tactive power [mW]", lambda at: f"{START + at}\t{{}}", 1e3),
    "quotes": ('"Time","Power, W"', lambda at: f'"{START + at}","{{}}"', 1),
    "kilowatts": ("ts|kW", lambda at: f"{START + at}|{{}}", 1e-3),
    "a channel of a letter": ("time,channel A power,note", lambda at: f"{START + at},{{}},x", 1),
    "camel case": ("sampleTime,busPower,busPowerMax", lambda at: f"{START + at},{{}},99", 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_times_and_watts_are_found_by_their_headings(tmp_path, form):
    heading, line, scale = FORMS[form]
    at, draw = even()
    file = logged(tmp_path, [line(each).format(draw(each) * scale) for each in at], heading)
    found = energy.from_csv(file, IDLE, WINDOW, 100)
    assert (found.watts, found.idle_watts) == (pytest.approx(5.0), pytest.approx(2.0))


@pytest.mark.parametrize(
    ("heading", "volts", "amps"),
    [
        ("time,voltage,current", 5.0, 1.0),
        ("Time (s),Main current (A),Main voltage (V)", 1.0, 5.0),
        ("timestamp,bus_voltage_mV,current_uA,energy_mWh", 5000, 1_000_000),
        ("time,U,I,temperature", 5.0, 1.0),
        ("time,Volts,Amps,capacity mAh", 5.0, 1.0),
    ],
)
def test_volts_and_amps_will_do(tmp_path, heading, volts, amps):
    file = logged(tmp_path, [f"{START + n / 2},{volts},{amps},7" for n in range(61)], heading)
    assert energy.from_csv(file, None, WINDOW, 1).watts == pytest.approx(5.0)


def test_watts_go_before_volts_and_amps(tmp_path):
    file = logged(tmp_path, [f"{START + n},1,1,4" for n in range(31)], "time,voltage,current,power")
    assert energy.from_csv(file, None, WINDOW, 1).watts == 4.0


def test_lines_in_front_of_the_headings_and_units_under_them_are_passed_over(tmp_path):
    head = "Device: FX-1\nStart;today\n\nTime;Power\ns;W"
    file = logged(tmp_path, [f"{START + n};{n % 2 + 1},5" for n in range(31)], head)
    assert energy.from_csv(file, None, WINDOW, 1).watts == pytest.approx(2.0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_log_of_another_encoding_is_read(tmp_path, encoding):
    file = tmp_path / "meter.csv"
    text = "\r\n".join(["time;power [W];\xb0C", *(f"{START + n};4;20" for n in range(31))])
    file.write_bytes(text.encode(encoding))
    assert energy.from_csv(file, None, WINDOW, 1).watts == 4.0


def test_a_time_without_a_zone_is_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Etc/GMT-3")
    time.tzset()
    try:
        file = logged(tmp_path, [f"2026-01-01 03:00:{n:02d},4" for n in range(31)])
        assert energy.from_csv(file, None, WINDOW, 1).watts == 4.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_clock_that_is_off_is_set_by_the_offset(tmp_path):
    file = logged(tmp_path, [f"{n},{5 if n >= 10 else 2}" for n in range(31)])
    assert energy.from_csv(file, IDLE, WINDOW, 100, START).idle_watts == 2.0
    with pytest.raises(
        MeterError, match=r"0 rows from 2026-01-01 00:00:10.000 .* the log goes from 1970-01-01 .*--off"
    ):
        energy.from_csv(file, IDLE, WINDOW, 100)


@pytest.mark.parametrize("offset", [1e300, float("inf"), float("nan")])
def test_an_offset_that_leads_nowhere_is_told(tmp_path, offset):
    with pytest.raises(MeterError, match=r"0 rows from .* the log goes from .*; if its clock is another one"):
        energy.from_csv(logged(tmp_path, lines()), IDLE, WINDOW, 100, offset)


def test_a_log_that_began_after_the_idle_time_gives_no_net(tmp_path):
    found = energy.from_csv(logged(tmp_path, lines(first=8.0)), IDLE, WINDOW, 100)
    assert (found.watts, found.idle_watts, found.joules_per_inference_net) == (5.0, None, None)


def changed(place, text):
    """The rows, with one changed; its line is `place` + 2."""
    rows = lines()
    return [*rows[:place], *([text] if text is not None else []), *rows[place + 1 :]]


def bad(tmp_path, rows):
    with pytest.raises(MeterError) as caught:
        energy.from_csv(logged(tmp_path, rows), IDLE, WINDOW, 100)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{START + 15},", "no number of watts"),
        (f"{START + 15},n/a", "no number of watts"),
        (f"{START + 15},nan", "no number of watts"),
        (f"{START + 15}", "no whole row with a time"),
        ("soon,5", "no whole row with a time"),
        ("2026-13-01T00:00:15Z,5", "no whole row with a time"),
        (f"{START + 12},5", "the clock runs backwards by 2.500 s"),
        (f"{START + 1},5", "the clock runs backwards by 13.500 s"),
    ],
)
def test_a_row_that_is_wrong_within_the_window_is_told_by_its_line(tmp_path, text, reason):
    found = bad(tmp_path, changed(30, text))
    assert found.startswith(f"--csv {tmp_path}/meter.csv, line 32: {reason}")
    assert found.endswith("within the window; measure again, or mend that line")


@pytest.mark.parametrize("text", [f"{START + 24},", "soon,5", f"{START + 22},5", "cut"])
def test_a_row_that_is_wrong_outside_the_windows_does_not_matter(tmp_path, text):
    rows = changed(48, text)
    assert energy.from_csv(logged(tmp_path, rows), IDLE, WINDOW, 100).watts == 5.0


def test_a_row_that_is_wrong_in_the_idle_time_matters(tmp_path):
    assert "line 10: no number of watts" in bad(tmp_path, changed(8, f"{START + 4},"))


def test_a_clock_that_runs_back_over_the_whole_window_is_told(tmp_path):
    assert "line 63: the clock runs backwards by 30.000 s" in bad(tmp_path, lines() + lines())


def test_a_log_that_was_cut_off_within_the_window_is_told(tmp_path):
    rows = [*lines(last=15.0), "17672256"]
    assert "line 33: no whole row with a time" in bad(tmp_path, rows)


def test_a_hole_is_told_by_the_line_after_it(tmp_path):
    rows = lines()
    found = bad(tmp_path, rows[:25] + rows[35:])
    assert "line 27: no row for 5.50 s before it, where 0.5 s are usual" in found


def test_a_log_that_ends_or_begins_within_the_window_is_told(tmp_path):
    assert "the end: it comes 5.00 s before that of the window" in bad(tmp_path, lines(last=15.0))
    assert "line 2: no row for 5.00 s before it" in bad(tmp_path, lines(first=15.0))


def test_a_window_between_two_rows_is_told(tmp_path):
    found = bad(tmp_path, [f"{START + 60 * n},5" for n in range(9)])
    assert "0 rows from 2026-01-01 00:00:10.000 to 2026-01-01 00:00:20.000 UTC, and 3 are needed" in found


def test_several_rows_of_one_moment_are_no_clock_that_runs_backwards(tmp_path):
    rows = [f"{START + n // 4},{4 + n % 3}" for n in range(121)]
    assert energy.from_csv(logged(tmp_path, rows), IDLE, WINDOW, 100).watts == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no line with headings of a time, and of watts, or of volts and amps"),
        (b"a,b\n1,2\n", "no line with headings"),
        (b"time,voltage\n1,2\n", "no line with headings"),
        (b"time,min power,max power\n1,2,3\n", "no line with headings"),
        (b"time,CH1 W,CH2 W\n1,2,3\n", "'CH1 W' and 'CH2 W' may both be the watts; keep the column"),
        (b'{"time":"%s","watts":3}' % (b"x" * 99), "no line with headings"),
        (b"time,watts\n", "no row with a time"),
        (b"time,watts\nsoon,1\n", "no row with a time"),
        (b"time,watts\n1," + b"x" * 200_000 + b"\n", "not CSV: field larger than"),
        (bytes(range(256)) * 9, "no line with headings"),
        (b"time,watts\n\0\0\0\0\0\n", "no row with a time"),
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path, content, reason):
    file = tmp_path / "meter.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"--csv .*meter.csv: {reason}"):
        energy.from_csv(file, None, WINDOW, 1)


def test_a_log_whose_end_was_lost_with_the_supply_is_read_as_far_as_it_goes(tmp_path):
    file = logged(tmp_path, lines())
    file.write_bytes(file.read_bytes() + b"\0" * 300)
    assert energy.from_csv(file, IDLE, WINDOW, 100).watts == 5.0


def test_a_file_that_cannot_be_read_is_refused(plain_user):
    for path in (plain_user / "none.csv", plain_user, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="no such file; give what the meter wrote"):
            energy.from_csv(path, None, WINDOW, 1)
    file = logged(plain_user, lines())
    file.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        energy.from_csv(file, None, WINDOW, 1)
    plain_user.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        energy.from_csv(file, None, WINDOW, 1)
    plain_user.chmod(0o700)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fall(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("log") / "meter.csv"
    file.write_bytes(b"time,watts\n" + content)
    with pytest.raises((MeterError, ConfigError)):
        energy.from_csv(file, IDLE, WINDOW, 1)


def test_a_record_whose_time_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'soon' is no time in ISO 8601"):
        energy.from_csv(logged(tmp_path, lines()), None, Window(started_at="soon", seconds=1.0), 1)


# --- edge-bench power


@pytest.fixture
def recorded(tmp_path):
    """A record of two results and a failed one, from 10:00:00 and 10:01:00 on, ten seconds each."""
    later = {"started_at": "2026-05-04T10:01:00Z", "idle": None, "scenario": "single-stream"}
    results = [
        made.result(seconds=10.0, power=None, power_not_measured="no meter"),
        made.result(seconds=10.0, power=None, power_not_measured="no meter", **later),
        made.bare(),
    ]
    file = tmp_path / "record.json"
    save(made.record(results=results), file)
    return file


def outside(tmp_path, hole=False):
    """What a meter wrote from ten seconds before the first result to the end of the second: 4 W idle, then 6 W."""
    file = tmp_path / "log.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Timestamp", "Voltage (V)", "Current (mA)"])
        for tenth in range(-100, 720):
            if not (hole and 650 <= tenth < 690):
                moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1777888800 + tenth // 10))
                writer.writerow([f"{moment}.{tenth % 10}Z", 5.0, 1200 if tenth >= 0 else 800])
    return file


def command(*arguments, capfd):
    code = execute([str(each) for each in arguments], False, bench, "edge-bench")
    return (code, *capfd.readouterr())


def test_what_an_outside_meter_logged_is_added_to_each_result(tmp_path, recorded, capfd):
    code, out, err = command("power", recorded, "--csv", outside(tmp_path), capfd=capfd)
    assert (code, err) == (0, "")
    first, second, failed = read(recorded).results
    assert (first.power.watts, first.power.idle_watts) == (pytest.approx(6.0), pytest.approx(4.0))
    assert first.power.joules_per_inference == pytest.approx(60.0 / 700)
    assert (second.power.idle_watts, second.power_not_measured) == (None, None)
    assert (failed.power, failed.power_not_measured) == (None, "this machine has no meter")
    shown = out.splitlines()
    assert shown[0].endswith("4 threads: 6 W, 4 W idle, 85.7 mJ an inference, 28.6 mJ of it beyond idling")
    assert shown[1].startswith("single-stream, ") and shown[1].endswith("6 W, 85.7 mJ an inference")
    assert shown[2:] == [f"written: {recorded}"]


def test_what_was_said_of_a_meter_that_fell_out_is_judged_anew(tmp_path, recorded, capfd):
    known = read(recorded)
    whole = [made.result(seconds=10.0, power=made.power(), power_not_measured="it fell silent")]
    before = [verdict.judged(result, known.host) for result in whole]
    assert "meter gone" in [each.code for each in before[0].warnings]
    save(made.record(results=before), recorded)
    code, _, _ = command("power", recorded, "--csv", outside(tmp_path), capfd=capfd)
    found = read(recorded).results[0]
    assert (code, found.power_not_measured) == (0, None)
    assert found == verdict.judged(found, known.host)
    assert "meter gone" not in [each.code for each in found.warnings]


def test_the_record_with_watts_may_go_to_another_file(tmp_path, recorded, capfd):
    before, other = recorded.read_bytes(), tmp_path / "other.json"
    code, _, _ = command("power", recorded, "--csv", outside(tmp_path), "--output", other, capfd=capfd)
    assert (code, recorded.read_bytes()) == (0, before)
    assert json.loads(other.read_text())["results"][0]["power"]["meter"] == "log log.csv"


def test_a_bad_log_leaves_the_record_as_it_was(tmp_path, recorded, capfd):
    before = recorded.read_bytes()
    code, out, err = command("power", recorded, "--csv", outside(tmp_path, hole=True), capfd=capfd)
    assert (code, out, recorded.read_bytes()) == (1, "", before)
    assert err.startswith("edge-bench: single-stream, mobilenet_v2_1.0_224_int8, 4 threads: --csv ")
    assert "line 752: no row for 4.10 s before it, where 0.1 s are usual" in err
    assert err.count("\n") == 1


def test_an_offset_sets_the_clock_of_the_log(tmp_path, recorded, capfd):
    code, out, err = command("power", recorded, "--csv", outside(tmp_path), "--offset", "3600", capfd=capfd)
    assert (code, out) == (1, "")
    assert "if its clock is another one, give --offset S" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "record.json"]


def test_no_figure_is_not_finite(tmp_path, recorded, capfd):
    command("power", recorded, "--csv", outside(tmp_path), capfd=capfd)
    use = read(recorded).results[0].power
    assert all(math.isfinite(value) for pair in use.readings for value in pair)
