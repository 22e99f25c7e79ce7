"""Whole runs of edge-bench with everything scripted: interpreter, camera, host, meter and clock."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from edge.benchmarks import scripted
from edge.benchmarks.cli import cli as group
from edge.benchmarks.cli import completed
from edge.benchmarks.parts import Bench, Job
from edge.benchmarks.record import Fidelity, Record, Settings
from edge.benchmarks.session import Plan, Session

from edge import adapters
from edge import profile as profiles
from edge.engine import Engine
from edge.host.linux import Linux
from edge.models import ModelFile
from edge.preprocess import Preprocessor, frame_of
from edge.tasks.classify import Classify


class Quiet:
    """Notes what it is told."""

    def __init__(self, out: Any = None) -> None:
        self.told: list[Any] = []
        self.out = out

    def progress(self, job):
        return lambda what, share: self.told.append((job.scenario, what, share))

    def result(self, result, record):
        if self.out is not None:
            assert self.out.exists(), "saved before it is shown"
        self.told.append(result)

    def error(self, job, error):
        self.told.append(error)


class Whole:
    """A run with a clock that moves only when the model sleeps."""

    def __init__(self, tmp_path: Any) -> None:
        self.tmp_path = tmp_path
        self.clock = scripted.Clock()
        self.stop = threading.Event()
        self.shown = Quiet()
        self.model = ModelFile(
            name="made up", path=tmp_path / "m.tflite", data=b"12345678", labels=None, card=None, trusted=True
        )
        self.session: Session | None = None

    def engine(self, *script: str) -> Engine:
        """A scripted model of ten classes that sleeps on the clock."""
        model = adapters.open("interpreters", "scripted", None, script=list(script), size=8, sleep=self.clock.sleep)
        task = Classify(model.outputs[0], None, 5, 0.0, lambda: True)
        return Engine(model, Preprocessor(model.inputs[0]), task, "made up", self.clock)

    def job(self, scenario: str = "interpreter", *script: str, camera: Any = ("frames 100000",), **changes: Any) -> Job:
        import numpy as np

        steps = script or ("sleep 0.004", "class 3")
        given = {
            "scenario": scenario,
            "model": self.model,
            "open": lambda: self.engine(*steps),
            "camera": lambda number, covers: adapters.open(
                "cameras", "scripted", script=list(camera), clock=self.clock
            ),
            "frames": lambda: [frame_of(np.full((48, 64, 3), level, np.uint8), 0) for level in (10, 200)],
            "source": "scripted",
            "profile": "cpu",
            "threads": None,
            "duration_s": 2.0,
            "count": None,
        }
        return Job(**{**given, **changes})

    def bench(self, board: Any = None, meter: Any = None, yardstick: Callable[[], object] | None = None) -> Bench:
        from trees import pc

        board = board or pc(self.tmp_path / "pc", rapl=False)
        return Bench(
            host=Linux(root=board.root, run=board.run, clock=self.clock),
            meter=meter,
            no_meter=None if meter else "no meter is scripted",
            stop=self.stop,
            every=self.clock.every,
            yardstick=lambda threads: yardstick,
            clock=self.clock,
            wall=self.clock.wall,
            busy=lambda: 0,
            sleep=self.clock.sleep,
        )

    def __call__(self, *jobs: Job, bench: Bench | None = None, idle_s: float = 0.0, log=None, out=None) -> Record:
        plan = Plan(
            jobs=list(jobs) or [self.job()],
            settings=Settings(duration_s=2.0, count=None, source=None, command=["edge-bench"]),
            profile=profiles.load("cpu"),
            profile_text='name = "cpu"',
            idle_s=idle_s,
            log=log,
        )
        self.shown.out = out

        def check(job):
            return lambda engine: Fidelity(reference="itself", pictures=3, agreement=1.0, largest_difference=0.0)

        self.session = Session(plan, bench or self.bench(), check, self.shown, out)
        return self.session.run()


@pytest.fixture
def whole(tmp_path) -> Whole:
    return Whole(tmp_path)


@pytest.fixture
def bench(cli):
    """`edge-bench ...` in this process."""
    return lambda *arguments: cli(*completed([str(each) for each in arguments]), command=group, name="edge-bench")
