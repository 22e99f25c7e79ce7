"""What the toolkit adds to the bare interpreter: `python benchmarks/overhead.py`, with edgekit installed.

Both run the same model on one thread in this process, interleaved, so that a noisy machine does not matter: the whole
of `Classifier(image)` on a 640 x 480 picture, and set, invoke, read on a tensor that is ready.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import cv2
import numpy as np

from edge import Classifier, models


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    arguments.add_argument("--model", default=None, help="a .tflite file; default: the one that ships")
    arguments.add_argument("--count", type=int, default=1000, help="samples of each; default: 1000")
    given = arguments.parse_args()
    cv2.setNumThreads(1)
    whole, bare = sampled(_classifier(given.model), _bare(given.model), given.count)
    print(f"host: {platform.machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}")
    print(f"Classifier(image), 640x480:  median {median(whole) / 1e6:.3f} ms")
    print(f"bare set, invoke, read:      median {median(bare) / 1e6:.3f} ms")
    print(
        f"ratio of medians:            {median(whole) / median(bare):.3f} ({given.count} samples of each, interleaved)"
    )


def sampled(first: Callable[[], object], second: Callable[[], object], count: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of `count` calls of each, in turn, after 50 calls of each that do not count."""
    for _ in range(50):
        first()
        second()
    times: tuple[list[int], list[int]] = ([], [])
    for _ in range(count):
        for call, kept in zip((first, second), times, strict=True):
            started = time.perf_counter_ns()
            call()
            kept.append(time.perf_counter_ns() - started)
    return times


def _classifier(model: str | None) -> Callable[[], object]:
    classify = Classifier(model, threads=1, profile="cpu")
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8), (0, 0), 3)
    return lambda: classify(image)


def _bare(model: str | None) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(model_content=models.load(model).data, num_threads=1)
    interpreter.allocate_tensors()
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    tensor = np.zeros(entry["shape"], entry["dtype"])

    def run() -> object:
        interpreter.set_tensor(entry["index"], tensor)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return run


if __name__ == "__main__":
    main()
