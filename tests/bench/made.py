"""Records made up for tests: each maker takes what shall be different."""

import itertools
import math
import random

from edge.benchmarks.record import (
    VERSION,
    Caution,
    Fidelity,
    Memory,
    Moment,
    PowerUse,
    Record,
    Result,
    Settings,
    Stream,
    Summary,
    Warmup,
    Window,
    Yardstick,
)

from edge.host import Facts, State

LEAST = {"p90": 64, "p95": 130, "p99": 662, "p99_9": 6636}


def at_rank(ordered, share):
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def summary(samples, **changes):
    """Figures by nearest rank; intervals that are plainly made up."""
    ordered = sorted(samples)
    bears = {name: len(ordered) >= least for name, least in LEAST.items()}
    middle = at_rank(ordered, 0.5)
    figures = {
        "count": len(ordered),
        "median": middle,
        "mean": sum(ordered) / len(ordered) if ordered else None,
        "p90": at_rank(ordered, 0.9) if bears["p90"] else None,
        "p95": at_rank(ordered, 0.95) if bears["p95"] else None,
        "p99": at_rank(ordered, 0.99) if bears["p99"] else None,
        "p99_9": at_rank(ordered, 0.999) if bears["p99_9"] else None,
        "min": ordered[0] if ordered else None,
        "max": ordered[-1] if ordered else None,
        "spread": at_rank(ordered, 0.75) - at_rank(ordered, 0.25) if len(ordered) > 3 else None,
        "confidence": {"median": (middle * 0.99, middle * 1.01)} if len(ordered) > 7 else {},
        "samples": list(samples),
    }
    return Summary(**{**figures, **changes})


def facts(**changes):
    told = {
        "board": "Raspberry Pi 4 Model B Rev 1.4",
        "family": "raspberry-pi",
        "cpu": "Cortex-A72",
        "machine": "aarch64",
        "cores": 4,
        "memory_bytes": 4 << 30,
        "kernel": "6.6.31+rpt-rpi-v8",
        "system": "Debian GNU/Linux 12 (bookworm)",
        "python": "3.11.2",
        "versions": {"edgekit": "0.1.0", "ai-edge-litert": "2.0.3", "numpy": "1.26.4"},
    }
    return Facts(**{**told, **changes})


def state(**changes):
    told = {
        "at_ns": 0,
        "governors": ("performance",),
        "clocks_mhz": (1800.0,) * 4,
        "most_mhz": (1800.0,) * 4,
        "temperature_c": 48.2,
        "limits": (),
        "limits_since_boot": (),
        "load_1m": 0.3,
        "busy_s": 100.0,
        "own_s": 2.0,
        "swapped_bytes": 0,
        "memory_bytes": 90 << 20,
        "peak_memory_bytes": 96 << 20,
    }
    return State(**{**told, **changes})


def moments(seconds, **changes):
    """One a second, getting warmer."""
    for second in range(int(min(seconds, 600)) + 1):
        told = {
            "at_s": float(second),
            "clock_mhz": 1800.0,
            "temperature_c": 48.0 + 12.0 * (1 - math.exp(-second / 10)),
            "limits": (),
            "other_load": 0.02,
            "memory_bytes": 90 << 20,
        }
        yield Moment(**{**told, **changes})


def latencies(count=700, median=24.0, seed=1):
    """Milliseconds with a tail to the right, as machines have it; the same each time."""
    chance = random.Random(seed)
    return [round(median * (1 + abs(chance.gauss(0, 0.02)) + (chance.random() > 0.99) * 0.4), 4) for _ in range(count)]


def power(**changes):
    told = {
        "meter": "hwmon ina219",
        "covers": "the whole board, at its 5 V input",
        "misses": "the loss in the power supply",
        "watts": 5.12,
        "idle_watts": 2.71,
        "peak_watts": 5.61,
        "joules": 86.0,
        "joules_per_inference": 0.1229,
        "joules_per_inference_net": 0.0578,
        "inferences_per_joule": 8.137,
        "readings": [(float(n) / 2, 5.12 + 0.3 * math.sin(n)) for n in range(34)],
    }
    return PowerUse(**{**told, **changes})


def fidelity(**changes):
    told = {"reference": "litert-cpu, 1 thread", "pictures": 24, "agreement": 1.0, "largest_difference": 0.0}
    return Fidelity(**{**told, **changes})


def caution(**changes):
    told = {
        "code": "governor",
        "verdict": "suspect",
        "text": "the governor is 'ondemand', so that clocks follow the load",
        "advice": "set it: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    }
    return Caution(**{**told, **changes})


def yardstick(ends, **changes):
    """Timed after each tenth sample; a little quicker and slower in turn."""
    told = {"what": "a fixed sum", "at_s": ends[::10], "ms": [0.5 + 0.01 * (n % 3) for n in range(len(ends[::10]))]}
    return Yardstick(**{**told, **changes})


def stream(**changes):
    return Stream(**{"fps": 20.0, "answered": 200, "replaced": 100, **changes})


def result(**changes):
    """A sound `interpreter` result on a Raspberry Pi 4. samples: milliseconds, from which the figures follow."""
    samples = changes.pop("samples", latencies())
    ends = list(itertools.accumulate(sample / 1e3 for sample in samples))
    told = {
        "scenario": "interpreter",
        "model": "mobilenet_v2_1.0_224_int8",
        "model_sha256": "ab" * 32,
        "model_bytes": 3_983_112,
        "backend": "litert-cpu",
        "backend_reasons": [],
        "threads": 4,
        "source": None,
        "streams": None,
        "latency_is": "set input, invoke, read output",
        "fps": 1e3 * len(samples) / sum(samples) if samples else None,
        "verdict": "valid",
        "warnings": [],
        "latency_ms": summary(samples),
        "stages_ms": {
            "set input": summary([s * 0.01 for s in samples]),
            "invoke": summary([s * 0.98 for s in samples]),
            "read output": summary([s * 0.01 for s in samples]),
        },
        "age_ms": None,
        "frames": None,
        "idle": Window(started_at="2026-05-04T09:59:50Z", seconds=5.0),
        "started_at": "2026-05-04T10:00:00Z",
        "seconds": ends[-1] if ends else 0.0,
        "at_s": ends,
        "warmup": Warmup(rule="until two halves of 16 agree within 2 %", settled=True, seconds=1.2, samples_ms=[31.0]),
        "init_ms": 182.4,
        "first_inference_ms": 41.9,
        "memory": Memory(peak_bytes=96 << 20, steady_bytes=90 << 20),
        "power": power(),
        "power_not_measured": None,
        "fidelity": fidelity(),
        "fidelity_not_measured": None,
        "host_before": state(),
        "host_after": state(temperature_c=60.1),
        "watch": list(moments(ends[-1] if ends else 0.0)),
        "yardstick": yardstick(ends),
        "harness_us": 3.1,
        "watching_share": 0.0042,
        "error": None,
    }
    return Result(**{**told, **changes})


def bare(**changes):
    """A result in which whatever may be absent is absent."""
    absent = {
        "threads": None,
        "fps": None,
        "verdict": "invalid",
        "warnings": [caution(code="failed", verdict="invalid", text="it failed at once", advice="see the error")],
        "latency_ms": summary([]),
        "stages_ms": {},
        "idle": None,
        "seconds": 0.0,
        "at_s": [],
        "warmup": None,
        "init_ms": None,
        "first_inference_ms": None,
        "memory": Memory(peak_bytes=None, steady_bytes=None),
        "power": None,
        "power_not_measured": "this machine has no meter",
        "fidelity": None,
        "fidelity_not_measured": "there is no reference for this model",
        "host_before": State(at_ns=0),
        "host_after": State(at_ns=0),
        "watch": [],
        "yardstick": None,
        "harness_us": None,
        "watching_share": None,
        "error": "the interpreter failed on its first input",
    }
    return result(**{**absent, **changes})


def record(**changes):
    told = {
        "version": VERSION,
        "tool": "edge-bench 0.1.0",
        "started_at": "2026-05-04T09:59:48Z",
        "complete": True,
        "settings": Settings(duration_s=17.0, count=None, source=None, command=["edge-bench", "--duration", "17"]),
        "profile": "raspberry-pi-4",
        "profile_text": 'name = "raspberry-pi-4"\n',
        "host": facts(),
        "failed": [],
        "results": [result()] if "results" not in changes else [],
    }
    return Record(**{**told, **changes})
