"""What the machine did during a run that makes its figures doubtful, and the command that mends it on such a board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean, median

import numpy as np

from edge.host import Facts, Family, State

from .record import Caution, Moment, Result, Verdict
from .watch import other_load

CLOCK = 0.9
"""Share of its clock below which a processor is slow for another reason than the model: steps of clocks are of 5 to
8 %."""

ONE_CLOCK: tuple[Family, ...] = ("raspberry-pi", "jetson")
"""Families whose cores keep the highest clock they are allowed. On a PC that is for one core alone, and for moments."""

HOT_C: dict[Family, float] = {"raspberry-pi": 80.0, "jetson": 90.0, "pc": 95.0, "other": 85.0}
"""Degrees from which a board slows itself, or is about to: a Raspberry Pi from 80 on (its documentation, "Frequency
management and thermal control"), Jetson modules from about 95, PCs from 95 to 105."""

BUSY = 0.1
"""Share of the cores we may use that other programs may keep busy. A system with nothing to do takes 1 to 3 %."""

STOLEN = 0.01
"""Share of the time of these cores that a hypervisor may take."""

LEAST_S = 0.5
TICKS_S = 0.02
"""The kernel counts in ticks of 10 ms: a shorter window tells no load, nor two ticks of each core stolen time."""

SWAPPED = 1 << 20
"""Bytes to and from swap: below are a few pages that some other program wanted back."""

UNSTEADY = 0.05
"""By which share the yardstick, which is always the same inference, may take longer in one part of a run than in
another, by the medians of the slowest and the fastest part."""

PARTS = 8
CALLS = 8
LEAST_CALLS = 3 * CALLS
"""A run has up to so many parts, each of so many calls at least, for a median of fewer is often that of a disturbed
one. Of fewer calls nothing is said; a board on which one takes 50 ms is timed once a second."""

COOLING = ("throttled", "soft temperature limit", "slowed to cool", "frequency capped")

PERFORMANCE = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"

FASTEST: dict[Family, str] = {
    "raspberry-pi": f"`{PERFORMANCE}`",
    "jetson": "choose the mode with the highest clocks (`sudo nvpmodel -p --verbose` lists them, "
    "`sudo nvpmodel -m N` sets one), then `sudo jetson_clocks`",
    "pc": "`sudo cpupower frequency-set -g performance`",
    "other": f"`{PERFORMANCE}`",
}

COOLER: dict[Family, str] = {
    "raspberry-pi": "fit a heat sink and a fan; `vcgencmd get_throttled` and `vcgencmd measure_temp` show the rest",
    "jetson": "`sudo jetson_clocks --fan`, or a cooler place; `tegrastats` shows the rest",
    "pc": "free the fans and wait until it is cool; `sensors` shows the temperatures",
    "other": "cool it, and wait; /sys/class/thermal/thermal_zone*/temp shows the temperatures",
}

STRONGER: dict[Family, str] = {
    "raspberry-pi": "use a supply of 5 V 3 A and a short cable; `vcgencmd get_throttled` should print 0x0",
    "jetson": "use the barrel jack or a stronger supply; `tegrastats` shows the rails",
    "pc": "use a stronger supply; `sensors` shows the voltages",
    "other": "use a stronger supply and a short cable",
}

PI_5 = "use a supply of 5 V 5 A (27 W) and a short cable; `vcgencmd get_throttled` should print 0x0"


def cautions(result: Result, facts: Facts) -> Iterator[Caution]:
    """All that is to be said of the machine during a run. What it does not tell is passed over."""
    for check in (_limits, _swap, _governor, _clock, _heat, _others, _stolen, _yardstick):
        yield from check(result, facts)


def caution(code: str, verdict: Verdict, text: str, advice: str) -> Caution:
    """A caution, by place."""
    return Caution(code=code, verdict=verdict, text=text, advice=advice)


def _limits(result: Result, facts: Facts) -> Iterator[Caution]:
    """Only what began or was seen during the run; flags that stand since boot tell of another time."""
    before, after = result.host_before, result.host_after
    known = before.limits_since_boot is not None
    fresh = set(after.limits_since_boot or ()) - set(before.limits_since_boot or ()) if known else set()
    seen = fresh.union(*(each.limits or () for each in _moments(result)))
    low = sorted(name for name in seen if name not in COOLING)
    if low:
        advice = PI_5 if "Raspberry Pi 5" in (facts.board or "") else STRONGER[facts.family]
        yield caution("under-voltage", "invalid", f"{', '.join(low)} during the run{_when(result, low)}", advice)
    slowed = [name for name in COOLING if name in seen]
    events = _rise(before.limit_events, after.limit_events)
    if slowed or events:
        counted = f"{events:.0f} throttling events" if events else ""
        told = ", ".join(filter(None, (*slowed, counted)))
        yield caution("throttled", "invalid", f"{told} during the run{_when(result, slowed)}", COOLER[facts.family])


def _moments(result: Result) -> list[State | Moment]:
    return [result.host_before, *result.watch, result.host_after]


def _when(result: Result, names: Iterable[str]) -> str:
    held = [moment.at_s for moment in result.watch if set(moment.limits or ()) & set(names)]
    return f", first seen after {max(held[0], 0):.0f} s" if held else ""


def _rise(before: float | None, after: float | None) -> float:
    """How far a count rose; 0 where it is not known."""
    return 0.0 if before is None or after is None else max(0.0, after - before)


def _swap(result: Result, _facts: Facts) -> Iterator[Caution]:
    moved = _rise(result.host_before.swapped_bytes, result.host_after.swapped_bytes)
    if moved > SWAPPED:
        advice = "end other programs, or use a smaller model or fewer streams; `free -h` shows the memory"
        yield caution("swapping", "invalid", f"{moved / (1 << 20):.0f} MiB went to or from swap during the run", advice)


def _governor(result: Result, facts: Facts) -> Iterator[Caution]:
    ends = (result.host_before, result.host_after)
    seen = [name for state in ends if not _held(state) for name in state.governors or ()]
    others = [name for name in dict.fromkeys(seen) if name != "performance"]
    if others:
        text = f"the governor is {', '.join(others)}, so that clocks follow the load"
        yield caution("governor", "suspect", text, f"{FASTEST[facts.family]}, and measure again")


def _held(state: State) -> bool:
    """Whether each core may have one clock alone, whatever its governor: `jetson_clocks`, or a Pi's force_turbo."""
    return state.least_mhz is not None and state.least_mhz == state.most_mhz


def _clock(result: Result, facts: Facts) -> Iterator[Caution]:
    clocks = [moment.clock_mhz for moment in result.watch if moment.clock_mhz is not None]
    if not clocks:
        return
    most = result.host_before.most_mhz
    now, allowed = median(clocks), max(most) if most and facts.family in ONE_CLOCK else 0.0
    half = len(clocks) // 2
    was, became = (median(clocks[:half]), median(clocks[half:])) if half else (now, now)
    if now < CLOCK * allowed:
        text = f"the clock of the fastest core was {now:.0f} MHz, where {allowed:.0f} MHz is allowed"
        yield caution("clock low", "suspect", text, f"{FASTEST[facts.family]}; if that is so already, {_cool(facts)}")
    elif became < CLOCK * was:
        text = f"the clock fell from {was:.0f} to {became:.0f} MHz during the run"
        yield caution("clock fell", "suspect", text, f"{FASTEST[facts.family]}; if that is so already, {_cool(facts)}")


def _cool(facts: Facts) -> str:
    return COOLER[facts.family]


def _heat(result: Result, facts: Facts) -> Iterator[Caution]:
    seen = [each.temperature_c for each in _moments(result) if each.temperature_c is not None]
    hottest = max(seen, default=None)
    limit = HOT_C[facts.family]
    if hottest is not None and hottest >= limit:
        text = f"{hottest:.1f} °C, and from {limit:.0f} °C on such a board slows itself down"
        yield caution("hot", "suspect", text, _cool(facts))


def _seconds(result: Result) -> float:
    """Between the two readings that frame the run."""
    return (result.host_after.at_ns - result.host_before.at_ns) / 1e9


def load_of_others(result: Result) -> float:
    """Cores that other programs kept busy, on average; 0 where that is not told, or the run was too short to tell."""
    if _seconds(result) < LEAST_S:
        return 0.0
    load = other_load(result.host_before, result.host_after)
    loads = [moment.other_load for moment in result.watch if moment.other_load is not None]
    return load if load is not None else fmean(loads) if loads else 0.0


def _others(result: Result, facts: Facts) -> Iterator[Caution]:
    load = min(load_of_others(result), facts.cores)
    if load > BUSY * facts.cores:
        text = f"other programs kept {load:.2g} of {facts.cores} cores busy"
        yield caution("busy machine", "suspect", text, "end them; `top -o %CPU` shows which they are")


def _stolen(result: Result, facts: Facts) -> Iterator[Caution]:
    taken = _rise(result.host_before.stolen_s, result.host_after.stolen_s)
    seconds = _seconds(result)
    if seconds < LEAST_S or taken <= TICKS_S * facts.cores:
        return
    share = min(taken / (seconds * max(facts.cores, 1)), 1.0)
    if share > STOLEN:
        text = f"the hypervisor gave {share:.1%} of this machine's time to others"
        yield caution("stolen time", "suspect", text, "measure on hardware of your own; `vmstat 1` shows it as st")


def _yardstick(result: Result, _facts: Facts) -> Iterator[Caution]:
    calls = result.yardstick.ms if result.yardstick else []
    if len(calls) < LEAST_CALLS:
        return
    parts = np.array_split(np.asarray(calls, np.float64), min(PARTS, len(calls) // CALLS))
    levels = [float(np.median(part)) for part in parts]
    longer = max(levels) / max(min(levels), 1e-9) - 1
    if longer > UNSTEADY:
        more = f"the same inference took {longer:.0%} longer in one part of the run than in another"
        text = f"the machine itself was unsteady: {more}"
        advice = "end other programs, or measure on hardware of your own; `edge-bench compare` takes this into account"
        yield caution("unsteady machine", "suspect", text, advice)
