"""From what a user asks for to jobs: models, frames and cameras are found and checked before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

import cv2
import msgspec

from edge import adapters, models, pipeline
from edge import profile as profiles
from edge import source as sources
from edge.adapters import Adapter
from edge.cameras import sample
from edge.cli.eval import NATIVE, RUNTIMES
from edge.engine import Engine, open_engine
from edge.errors import CameraError, ConfigError, ModelError
from edge.models import ModelFile, graph
from edge.preprocess import decode
from edge.profile import DeviceProfile
from edge.types import Camera, Fit, Frame

from .paced import Paced
from .parts import Bench, Job

FRAMES = 8
"""Decoded frames that are gone through round and round: enough that none stays in a small cache."""

PICTURES = 100
"""Of --data, at most, for the check of the answers."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks for, as the command line gives it; None is left to the profile."""

    profile: str
    require: str | None
    scenarios: tuple[str, ...]
    models: tuple[str, ...]
    labels: str | None
    fit: Fit | None
    threads: tuple[int, ...]
    streams: tuple[int, ...]
    sources: tuple[str, ...]
    fps: float
    duration_s: float | None
    count: int | None


class Source:
    """Where frames come from: sources that were named, the profile's camera, or the photographs that ship."""

    def __init__(self, asked: Asked, profile: DeviceProfile, bench: Bench) -> None:
        """Raise ConfigError for a source that nobody understands."""
        self._asked = asked
        self._profile = profile
        self._bench = bench
        self._named = [(name, sources.parse(name)) for name in asked.sources]

    def name_for(self, scenario: str, count: int) -> str:
        """What the frames of a scenario are called. Raises ConfigError for a camera that would be opened twice."""
        if scenario not in ("camera", "streams"):
            return self._asked.sources[0] if self._asked.sources else "sample:"
        cameras = self._cameras_of(scenario)
        names = [cameras[number % len(cameras)] for number in range(count)]
        devices = [name for name, adapter in names if "device" in adapter.options]
        again = next((name for name in devices if devices.count(name) > 1), None)
        if again:
            raise ConfigError(
                f"{again}: a camera can be opened once, and {scenario} is to have {count}; give --source for each of "
                "them, or a recording"
            )
        return ", ".join(dict.fromkeys(name for name, _ in names))

    def _cameras_of(self, scenario: str) -> Sequence[tuple[str, Adapter]]:
        if self._named:
            return self._named
        if scenario == "streams":  # what has one camera can still be asked how many it could bear
            return [("sample:", sources.parse("sample:"))]
        return [self._profiles_own]

    @cached_property
    def _profiles_own(self) -> pipeline.Source:
        """The first camera of the profile that can be opened. Raises CameraError."""
        listed = pipeline.cameras(self._profile, None)
        if len(listed) == 1:
            return listed[0]
        found, camera = pipeline.first_that_opens(listed, {})
        camera.close()
        return found

    def camera_of(self, scenario: str) -> Callable[[int, tuple[int, int]], Camera]:
        """What opens the source of a number as a camera; a recording is played at the rate that was asked for."""

        def opened(number: int, covers: tuple[int, int]) -> Camera:
            cameras = self._cameras_of(scenario)
            adapter = cameras[number % len(cameras)][1]
            camera = self._opened(adapter, covers)
            if camera.live:
                return camera
            camera.close()
            return Paced(lambda: self._opened(adapter), self._asked.fps, self._bench.clock, self._bench.sleep)

        return opened

    def frames(self) -> list[Frame]:
        """The first frames, decoded. Raises CameraError where there are none."""
        if not self._named:
            return views(FRAMES)
        name, adapter = self._named[0]
        with closing(self._opened(adapter)) as camera:
            return [_decoded(frame) for frame in _first(camera, FRAMES, name)]

    def _opened(self, adapter: Adapter, covers: tuple[int, int] | None = None) -> Camera:
        unpaced = {"fps": 0.0} if adapter.kind == "sample" else {}
        adapter = msgspec.structs.replace(adapter, options={**adapter.options, **unpaced})
        given = {"clock": self._bench.clock, **({"covers": covers} if covers else {})}
        return pipeline.open_camera(adapter, given)


def views(count: int) -> list[Frame]:
    """So many views of the photographs that ship, evenly through a round of each: 480 x 640 x 3, BGR."""
    files = sample.photographs()
    each = sample.FRAMES_EACH
    step = max(1, len(files) * each // count)
    places = [number * step for number in range(count)]
    found = []
    for place, file in enumerate(files):
        photograph: Any = cv2.imread(str(file), cv2.IMREAD_COLOR)
        for number in (at for at in places if at // each == place):
            pixels = sample.view(photograph, number % each / each)
            found.append(Frame(pixels=pixels, index=number, captured_at_ns=0, size=sample.SIZE, file=file.name))
    return found


def pictures(data: str | None, bench: Bench) -> list[Frame]:
    """What answers are checked on: the pictures of `data`, or the photographs that ship, each of them five times."""
    if data is None:
        return views(5 * len(sample.photographs()))
    camera: Camera = adapters.open("cameras", "images", path=data, clock=bench.clock)
    with closing(camera):
        return [_decoded(frame) for frame in _first(camera, PICTURES, data)]


def _first(camera: Camera, count: int, name: str) -> list[Frame]:
    frames = list(islice(camera, count))
    if not frames:
        raise CameraError(f"{name}: it gave no frame; give another source")
    return frames


def _decoded(frame: Frame) -> Frame:
    if frame.pixel_format != "MJPG":
        return frame
    return msgspec.structs.replace(frame, pixels=decode(frame), pixel_format="BGR")


def jobs(asked: Asked, profile: DeviceProfile, bench: Bench) -> list[Job]:
    """Every combination, in the order it was asked for. Raises ModelError and ConfigError, and what opening raises
    where the model is the interpreter's own."""
    own = not asked.models and any(adapter.model for adapter in profile.interpreters)
    names = [_own_model(asked, profile)] if own else asked.models or (profile.model,)
    files = [models.load(name, asked.labels or profile.labels) for name in names]
    source = Source(asked, profile, bench)
    found = []
    for file, scenario, threads in product(files, asked.scenarios, asked.threads or (None,)):
        for streams in asked.streams if scenario == "streams" else (1,):
            found.append(
                Job(
                    scenario=scenario,
                    model=file,
                    open=_opener(asked, profile, None if own else file, threads, bench),
                    camera=source.camera_of(scenario),
                    frames=source.frames,
                    source=source.name_for(scenario, streams),
                    profile=asked.profile,
                    threads=threads,
                    duration_s=asked.duration_s,
                    count=asked.count,
                    streams=streams,
                    require=asked.require,
                    own=own,
                )
            )
    return found


def _opener(
    asked: Asked, profile: DeviceProfile, file: ModelFile | None, threads: int | None, bench: Bench
) -> Callable[[], Engine]:
    labels = None if file else asked.labels
    return lambda: open_engine(profile, model=file, labels=labels, fit=asked.fit, threads=threads, clock=bench.clock)


def _own_model(asked: Asked, profile: DeviceProfile) -> Path | None:
    """The model of the interpreter that runs here, where each has one of its own: told by opening it."""
    with closing(open_engine(profile, labels=asked.labels)) as engine:
        return engine.path


def reference(job: Job, model: str | None, engine: Engine) -> Engine:
    """The same network on the processor, one thread. Raises the errors of the toolkit where nothing here runs it."""
    file = models.load(model) if model else job.model
    if model is None and file.format == "tflite" and graph.compiled_for_edgetpu(file.data):
        raise ModelError(
            f"{file.name}: compiled for the Edge TPU; give the model it was compiled from: --reference MODEL"
        )
    alone = msgspec.structs.replace(profiles.load(), interpreters=(Adapter(RUNTIMES[NATIVE[file.format]]),))
    return open_engine(alone, model=file, fit=engine.preprocessor.fit, threads=1)
