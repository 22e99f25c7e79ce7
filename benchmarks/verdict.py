"""Whether a result can be believed, from what it holds itself: nothing is measured here.

What the machine did stands in `conditions`; here is what the samples and the answers tell. What is not known is no
reason for doubt.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from edge.host import Facts
from edge.types import Array

from .conditions import caution, cautions
from .measure import INTERRUPTED
from .record import VERDICTS, Caution, Result
from .stats import LEAST_BLOCKS, blocks, each_block, least_samples, trend

LEAST_MEDIAN = 8
"""Samples without which a median has no interval at 99 %: two in 2^8 chances that all lie on one side of it."""

LEAST_TAIL = least_samples(0.9)
"""Samples without which not even a p90 can be told."""

DRIFT = 0.05
"""Change of the latency from the window's begin to its end, as a share. Half of it is in the median; less than this is
what a room getting warmer does."""

DRIFT_SURE = 0.01
"""The p of the trend, above which it may be chance."""

FIRST_SHARE = 0.05
"""Which share of the samples are the first ones."""

FIRST_SLOW = 0.05
"""By how much their median may be above that of the rest; then they were warm-up."""

TAIL = 2.0
"""How many times the median the p99 may be. Linux on an idle machine stays below 1.5; above 2, something else ran."""

ONE_CALLER = ("interpreter", "single-stream")
"""Scenarios in which nothing but the model runs, so that a long tail comes from outside."""

LEAST_AGREEMENT = 0.9
"""Share of pictures with the same first class. Runtimes round differently and flip a close race now and then; a backend
that computes something else agrees on few."""

CLOSE_RACE = 0.2
"""Difference of scores below which one picture with another first class is a close race that fell the other way."""

UNLIKE = 0.3
"""Difference of scores that rounding does not explain even where the first class is the same."""


def judged(result: Result, facts: Facts) -> Result:
    """The result with its warnings, the worst first, and the verdict that follows: that of the worst."""
    found = [*_own(result), *cautions(result, facts)]
    found.sort(key=lambda each: -VERDICTS.index(each.verdict))
    return msgspec.structs.replace(result, warnings=found, verdict=found[0].verdict if found else "valid")


def _own(result: Result) -> Iterator[Caution]:
    for check in (_ended, _few, _answers, _instead, _drifting, _first, _tail, _meter):
        yield from check(result)


def _ended(result: Result) -> Iterator[Caution]:
    if result.error == INTERRUPTED:
        text = f"interrupted after {result.seconds:.1f} s: what was measured until then is kept"
        yield caution("interrupted", "suspect", text, "let it run to its end, or ask for less with --duration")
    elif result.error is not None:
        text = f"ended early, after {result.latency_ms.count} samples: {result.error}"
        yield caution("failed", "invalid", text, "mend what failed, and measure again; see more with --debug")


def _few(result: Result) -> Iterator[Caution]:
    count = result.latency_ms.count
    told = "1 sample" if count == 1 else f"{count} samples"
    if count < LEAST_MEDIAN:
        text = f"{told}: a median needs {LEAST_MEDIAN} before its error can be told"
        yield caution("too few samples", "invalid", text, "measure longer: --duration or --count")
    elif count < LEAST_TAIL and result.scenario != "cold":  # a sample of that is a process, and its median is enough
        text = f"{told}: a p90 needs {LEAST_TAIL}"
        yield caution("too few samples", "suspect", text, "measure longer: --duration or --count")


def _answers(result: Result) -> Iterator[Caution]:
    fit = result.fidelity
    if fit is None:
        return
    same, far = round(fit.agreement * fit.pictures), fit.largest_difference
    text = (
        f"{same} of {fit.pictures} pictures have the first class of {fit.reference}, scores differ by up to {far:.2g}"
    )
    close = fit.pictures - same == 1 and far < CLOSE_RACE
    if (fit.agreement < LEAST_AGREEMENT and not close) or far != far:
        advice = "do not use this backend for this model; check both with `edge eval`"
        yield caution("wrong answers", "invalid", text, advice)
    elif far >= UNLIKE:
        yield caution("unlike answers", "suspect", text, "score both on labelled pictures: `edge eval`")


def _instead(result: Result) -> Iterator[Caution]:
    if result.backend_reasons:
        text = f"{result.backend} ran, which the profile does not prefer: {'; '.join(result.backend_reasons)}"
        yield caution("another backend", "suspect", text, "install what it prefers, or take a profile without it")


def _drifting(result: Result) -> Iterator[Caution]:
    levels = _levels(result)
    if len(levels) < LEAST_BLOCKS:
        return
    rise, chance = trend(levels)
    share = rise / float(np.median(levels))
    if abs(share) > DRIFT and chance < DRIFT_SURE:
        text = f"drifting: the latency {'rose' if rise > 0 else 'fell'} by {abs(share):.0%} over {result.seconds:.0f} s"
        advice = "let the machine come to rest, cool it, and measure longer; the plot over time shows when"
        yield caution("drifting", "suspect", text, advice)


def _levels(result: Result) -> Array:
    """The median latency of each block of time, ms."""
    samples = np.asarray(result.latency_ms.samples, np.float64)
    ends = np.asarray(result.at_s, np.float64)
    if len(samples) < LEAST_BLOCKS or len(samples) != len(ends) or np.median(samples) <= 0:
        return np.zeros(0)
    levels = each_block(samples, blocks(ends, result.seconds), lambda values: float(np.median(values)))
    found: Array = levels[np.isfinite(levels)]
    return found


def _first(result: Result) -> Iterator[Caution]:
    warmup, samples = result.warmup, np.asarray(result.latency_ms.samples, np.float64)
    if warmup is not None and not warmup.settled:
        text = f"warm-up did not settle within {warmup.seconds:.1f} s"
        yield caution("first samples slow", "suspect", text, "let the machine come to rest, and measure again")
    elif len(samples) >= LEAST_TAIL:
        first, rest = np.split(samples, [max(3, round(FIRST_SHARE * len(samples)))])
        usual, high = np.quantile(rest, (0.5, 0.9))
        median = float(np.median(first))
        if median > usual * (1 + FIRST_SLOW) and median > high:
            text = f"the first {len(first)} samples have a median of {median:.4g} ms, the rest {usual:.4g} ms"
            yield caution("first samples slow", "suspect", text, "measure longer, so that they weigh less: --duration")


def _tail(result: Result) -> Iterator[Caution]:
    far, usual = result.latency_ms.p99, result.latency_ms.median
    if result.scenario in ONE_CALLER and far is not None and usual and far > TAIL * usual:
        text = f"wide tail: p99 is {far:.4g} ms, {far / usual:.1f} times the median"
        yield caution("wide tail", "suspect", text, "find what runs beside it: `top`, `vmstat 1`, `journalctl -f`")


def _meter(result: Result) -> Iterator[Caution]:
    use = result.power
    if use is not None and use.joules_per_inference_net is not None and use.joules_per_inference_net < 0:
        text = f"idling drew {use.idle_watts:.4g} W and the run {use.watts:.4g} W, so that the net joules are below 0"
        advice = "end what ran while it idled, and idle longer: --idle; the gross joules are not touched"
        yield caution("idle not idle", "suspect", text, advice)
    if result.power_not_measured is not None and (use is not None or result.idle is not None):  # it idled for a meter
        text = f"the power meter gave no reading for all of the run: {result.power_not_measured}"
        yield caution(
            "meter gone", "suspect", text, "check its wiring; `edge-bench power -h` takes an outside meter's log"
        )
