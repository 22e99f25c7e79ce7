"""MLPerf's own load generator, LoadGen, over an interpreter of the toolkit.

LoadGen (`mlcommons-loadgen`, https://github.com/mlcommons/inference/tree/master/loadgen) decides when which sample is
asked for, takes the times and writes the result; the interpreter only answers. Samples are pictures that were made into
tensors before, so what is timed is set input, invoke and read output. That is how LoadGen is driven, and no
submission: those have rules for the model, the data, the settings and the log of the whole system.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, Literal

import msgspec

from edge import evaluate
from edge.cameras import images, sample
from edge.cli.signals import answered
from edge.engine import Engine
from edge.errors import AdapterError, CameraError, ConfigError, EdgeError, one_line
from edge.files import is_utf8, printable
from edge.types import Array, Clock, Frame

Scenario = Literal["SingleStream", "Offline"]

SCENARIOS: tuple[Scenario, ...] = ("SingleStream", "Offline")

INSTALL = (
    "install it with `pip install './edgekit[mlperf]'`, the folder of your clone "
    "(on aarch64 pip builds it, and needs a C++ compiler)"
)

SUMMARY = "mlperf_log_summary.txt"

LOGS = (SUMMARY, "mlperf_log_detail.txt", "mlperf_log_accuracy.json", "mlperf_log_trace.json")
"""What LoadGen leaves behind, by its names."""

MOST_SECONDS = 86_400.0

MOST_LOADED = 1024
"""Pictures held in memory at once, as MLPerf has it for classifiers; LoadGen draws them from all there are."""

MOST_QUERIES = 2_000_000
"""LoadGen keeps some hundred bytes of each."""

SLACK = 0.2
"""How much faster than it was found the model is said to be."""

WARM_RUNS = 50
WARM_SECONDS = 5.0
LEAST_WARM_RUNS = 3


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of LoadGen: at least `duration_s` seconds and at least `count` samples; None: no bound.

    Raises ConfigError.
    """

    scenario: Scenario
    duration_s: float | None
    count: int | None

    def __post_init__(self) -> None:
        if (
            self.duration_s is not None and not 0 < self.duration_s <= MOST_SECONDS
        ):  # false as well for what is no number
            advice = f"give more than 0 and at most {MOST_SECONDS:.0f} seconds"
            raise ConfigError(f"--duration {self.duration_s:g}: LoadGen cannot run for so long; {advice}")

    @property
    def least(self) -> str:
        """The bounds in words."""
        bounds = [] if self.duration_s is None else [f"{self.duration_s:g} s"]
        return " and ".join([*bounds, *([] if self.count is None else [f"{self.count} samples"])])


def settings(plan: Plan, inference_ns: float) -> dict[str, int | float]:
    """The numbers of LoadGen's TestSettings for a plan, where one inference takes about `inference_ns`.

    LoadGen makes all its queries before it starts, as many as it expects to need: it is told of a faster model than
    this one, so that they do not run out before the time is up. Raises ConfigError where they would fill the memory.
    """
    expected_ns = max(1.0, inference_ns * (1 - SLACK))
    if (plan.duration_s or 0) * 1e9 > expected_ns * MOST_QUERIES:
        why = f"LoadGen makes its queries beforehand, and this model would need more than {MOST_QUERIES:,}"
        most = int(expected_ns * MOST_QUERIES / 1e9)
        raise ConfigError(f"--duration {plan.duration_s:g}: {why}; give at most {most} seconds")
    return {
        "min_duration_ms": 0 if plan.duration_s is None else math.ceil(plan.duration_s * 1e3),
        "min_query_count": plan.count or 1,
        "single_stream_expected_latency_ns": round(expected_ns),
        "offline_expected_qps": 1e9 / expected_ns,
    }


def pictures(data: str | None) -> list[Path]:
    """The samples: of a folder, a pattern or a labels.csv; None: the photographs that ship. Raises ConfigError."""
    if data is None:
        return sample.photographs()
    if Path(data).suffix == ".csv":
        return [each.path for each in evaluate.read(Path(data))]
    return images.open(path=data).paths


class Subject:
    """What LoadGen calls: the system under test, and the library of its samples.

    The calls come from C++, where no exception may go: the first one is kept in `failure`, and from then on everything
    is answered at once and for nothing, so that LoadGen comes to its end. asked: how many samples were inferred.
    """

    def __init__(self, engine: Engine, paths: Sequence[Path], complete: Callable[[int], None]) -> None:
        self.failure: BaseException | None = None
        self.asked = 0
        self._engine = engine
        self._paths = paths
        self._complete = complete
        self._tensors: dict[int, Array] = {}

    def load(self, indices: Sequence[int]) -> None:
        """Make tensors of pictures; nothing of this is timed."""
        try:
            for index in indices:
                self._tensors[index] = tensor_of(self._engine, self._paths[index])
        except Exception as error:  # noqa: BLE001 - nothing may pass into LoadGen
            self.fail(error)

    def unload(self, indices: Sequence[int]) -> None:
        """Free those tensors."""
        for index in indices:
            self._tensors.pop(index, None)

    def issue(self, samples: Sequence[Any]) -> None:
        """Infer each sample of a query (its `index` is that of the picture), and tell LoadGen that its `id` is done."""
        for each in samples:
            if self.failure is None:
                self._infer(each.index)
            self._complete(each.id)

    def flush(self) -> None:
        """Nothing is held back."""

    def fail(self, error: BaseException) -> None:
        """Keep the first thing that went wrong."""
        self.failure = self.failure or error

    def _infer(self, index: int) -> None:
        try:
            self._engine.interpreter.infer(self._tensors[index])
            self.asked += 1
        except Exception as error:  # noqa: BLE001 - nothing may pass into LoadGen
            self.fail(error)


def tensor_of(engine: Engine, path: Path) -> Array:
    """A picture as the model takes it. Raises CameraError where it cannot be decoded."""
    pixels = images.decode(path)
    if pixels is None:
        raise CameraError(f"{printable(path)}: cannot be read or decoded; take it out, or give it whole")
    size = (pixels.shape[1], pixels.shape[0])
    tensor = engine.preprocessor.new_tensor()
    engine.prepare(Frame(pixels=pixels, index=0, captured_at_ns=0, size=size), tensor)
    return tensor


def warmed(engine: Engine, path: Path, clock: Clock = time.perf_counter_ns) -> float:
    """Run the model on one picture a few times; returns the median in nanoseconds. Raises CameraError, InferenceError.

    LoadGen times from its first query on, and needs to know about how long one takes.
    """
    tensor = tensor_of(engine, path)
    times: list[int] = []
    begun = clock()
    while len(times) < WARM_RUNS and (len(times) < LEAST_WARM_RUNS or clock() - begun < WARM_SECONDS * 1e9):
        started = clock()
        engine.interpreter.infer(tensor)
        times.append(clock() - started)
    return median(times)


def writable(folder: Path) -> None:
    """Make the folder, and see that files can be written there: LoadGen ends the process where they cannot.

    Raises ConfigError.
    """
    where = printable(folder)
    if not is_utf8(folder):
        raise ConfigError(f"--output {where}: LoadGen needs a name that is UTF-8; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ConfigError(f"--output {where}: cannot be written: {reason}; name another folder") from error


def without_logs(folder: Path) -> None:
    """Remove LoadGen's logs of another run, or of one that failed."""
    for name in LOGS:
        (folder / name).unlink(missing_ok=True)


def outcome(folder: Path) -> list[str]:
    """LoadGen's own lines of the result: what it asked, VALID or INVALID and why, and the figures.

    Raises EdgeError where it left none.
    """
    path = folder / SUMMARY
    try:
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        raise EdgeError(f"{printable(path)}: LoadGen left no result: {error.strerror}; run it again") from error
    result, _, parameters = text.partition("Test Parameters Used")
    if "Result is :" not in result:
        raise EdgeError(f"{printable(path)}: LoadGen left no result; its other logs there tell why")
    told = [line for line in parameters.splitlines() if "encountered" in line]
    return [line.rstrip() for line in (*result.splitlines(), *told) if line.strip("= ")]


def loadgen() -> Any:
    """LoadGen's module. Raises AdapterError, with the line that installs it."""
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise AdapterError(f"LoadGen cannot run here: {one_line(error)}; {INSTALL}") from error
    return mlperf_loadgen


def version() -> str:
    """The version of LoadGen, "unknown" where it was not installed as a package."""
    try:
        return metadata.version("mlcommons-loadgen")
    except metadata.PackageNotFoundError:
        return "unknown"


def drive(library: Any, engine: Engine, paths: Sequence[Path], plan: Plan, folder: Path) -> list[str]:
    """Let LoadGen (`library`, its module) ask the engine's interpreter, and write its logs into `folder`.

    The folder must be there and `writable`.

    Returns LoadGen's lines of the result. Raises what failed on the way; then no logs are left, because LoadGen counted
    samples that nothing was inferred for.
    """
    asked_for = settings(plan, warmed(engine, paths[0]))

    def complete(sample_id: int) -> None:
        library.QuerySamplesComplete([library.QuerySampleResponse(sample_id, 0, 0)])

    subject = Subject(engine, paths, complete)
    without_logs(folder)
    with _signals_kept(subject):
        _test(library, subject, len(paths), plan.scenario, asked_for, folder)
    if subject.failure is not None:
        without_logs(folder)
        raise subject.failure
    return outcome(folder)


def _test(
    library: Any, subject: Subject, count: int, scenario: Scenario, asked_for: dict[str, int | float], folder: Path
) -> None:
    test, log = library.TestSettings(), library.LogSettings()
    test.scenario = getattr(library.TestScenario, scenario)
    test.mode = library.TestMode.PerformanceOnly
    for name, value in asked_for.items():
        setattr(test, name, value)
    log.log_output.outdir = str(folder)
    log.enable_trace = False
    system = library.ConstructSUT(subject.issue, subject.flush)
    samples = library.ConstructQSL(count, min(count, MOST_LOADED), subject.load, subject.unload)
    try:
        library.StartTestWithLogSettings(system, samples, test, log)
    finally:
        library.DestroyQSL(samples)
        library.DestroySUT(system)


@contextmanager
def _signals_kept(subject: Subject) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the test; as exceptions they could come up inside of LoadGen, which they would crash."""

    def stop(number: int, frame: object) -> None:
        subject.fail(KeyboardInterrupt())

    with answered(stop):
        yield
