"""The examination: gather what there is to know, judge it, and say whether the profile can run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from threading import Thread

import msgspec

from edge.cameras.v4l2 import nodes
from edge.doctor import board, camera, coral, environment, jetson, limits, parts, python, runtimes, system
from edge.doctor.case import Case, disk_of, this_user
from edge.doctor.environment import Python
from edge.doctor.finding import Finding, Report
from edge.doctor.trials import Told, Try, Wanted
from edge.errors import one_line
from edge.files import cache
from edge.firmware import Run
from edge.host.linux import Linux
from edge.pipeline import cameras
from edge.profile import DeviceProfile

LITERT = ("ai-edge-litert", "tflite-runtime")
"""The packages of the two runtimes of the processor, of which one is enough."""

CAMERA_OF_SYSTEM, TENSORRT_OF_SYSTEM = "picamera2", "TensorRT"


def gather(chosen: DeviceProfile, given: str, seen: Python, root: Path, run: Run, attempt: Try) -> Case:
    """Everything that is judged; the trials are made here. given: the profile as it was named."""
    machine = Linux(root=root, run=run)
    return Case(
        profile=chosen,
        given=given,
        facts=machine.facts(),
        state=machine.state(),
        root=root,
        run=run,
        python=seen,
        user=this_user(),
        disk=disk_of(cache()),
        page_bytes=environment.bytes_of_a_page(),
        now=time.time(),
        tried=_made(chosen, given, plan(chosen, seen), attempt),
        cameras=nodes.found(root),
    )


def plan(chosen: DeviceProfile, seen: Python) -> dict[str, tuple[str, str]]:
    """The trials of libraries that mean something here: their names, and what is to be run."""
    interpreters = {adapter.kind for adapter in chosen.interpreters}
    planned = {package: ("litert", package) for package in LITERT if package in seen.packages}
    if {"onnxruntime", "onnxruntime-gpu"} & seen.packages.keys():
        planned["onnxruntime"] = ("onnx", "")
    if any(adapter.kind == "picamera" for adapter in chosen.cameras):
        planned["picamera2"] = ("picamera", "")
    if jetson.KIND in interpreters:
        planned["tensorrt"] = ("tensorrt", msgspec.json.encode(jetson.orders(chosen)).decode())
    return planned | {f"library {name}": ("library", name) for name in coral.libraries(chosen)}


def _engine(chosen: DeviceProfile, given: str, attempt: Try, late: Mapping[int, str]) -> Told:
    """The trial of the interpreters; one that takes the whole process with it is passed over, as a run would do.

    late: why those (by their places) that would first build an engine for minutes do; they are left out.
    """
    order = [adapter for number, adapter in enumerate(chosen.interpreters) if number not in late]
    passed = {f"instead of {number}": f"{jetson.KIND}: {why}" for number, why in late.items()}
    if not order:
        return Told(how="failed", said=f"{next(iter(late.values()))}; build it with `{jetson.build(given)}`")
    while True:
        rest = msgspec.structs.replace(chosen, interpreters=tuple(order))
        told = attempt("engine", msgspec.json.encode(rest).decode(), limits.of_interpreters(order))
        if told.how in ("well", "failed") or len(order) == 1:
            return msgspec.structs.replace(told, found={**passed, **told.found})
        lost = order.pop(0).kind
        how = "crashes" if told.how == "crashed" else "hangs"
        passed[f"instead of {lost}"] = f"{lost} {how} ({told.said})"


def _camera(chosen: DeviceProfile, attempt: Try, engine: Told) -> Told:
    """The trial of the cameras that `edge run` would open, for the model that it would run."""
    width, _, height = engine.found.get("size", "").partition("x")
    listed = [source.adapter for source in cameras(chosen, None)]
    wanted = Wanted(listed, (int(width), int(height)) if height else None)
    return attempt("camera", msgspec.json.encode(wanted).decode(), limits.of_cameras(listed))


def _made(chosen: DeviceProfile, given: str, planned: Mapping[str, tuple[str, str]], attempt: Try) -> dict[str, Told]:
    """How the trials went: those of what runs here, one after the other, and those of libraries beside them.

    The thread is none that anybody waits for: where this process is stopped, its trials end with it.
    """
    first = {name: attempt(*trial, limits.TENSORRT_S) for name, trial in planned.items() if name == jetson.KIND}
    told: dict[str, Told] = {}

    def beside() -> None:
        for name, trial in planned.items():
            if name not in first:
                told[name] = attempt(*trial, limits.SMALL_S)

    thread = Thread(target=beside, name="edge-doctor", daemon=True)
    thread.start()
    engine = _engine(chosen, given, attempt, jetson.unbuilt(first.get(jetson.KIND)))
    films = {"camera": _camera(chosen, attempt, engine)} if chosen.cameras else {}
    thread.join()
    return {"engine": engine, **first, **films, **told}


def judge(case: Case, first: list[Finding]) -> Report:
    """The report. first: what was found before the profile could be read."""
    interpreter, seen = parts.interpreter(case), camera.taken(case)
    findings = [*first, *_topics(case), interpreter, seen]
    failed = [finding for finding in (interpreter, seen) if finding.state == "bad"]
    backend = case.told("engine").found.get("backend")
    name = one_line(case.profile.name)
    why = " and ".join(finding.check for finding in failed)
    return Report(
        profile=name,
        because=case.profile.because,
        board=case.facts.board,
        can_run=not failed,
        backend=backend,
        verdict=f"profile {name} cannot run: see {why}" if failed else f"profile {name} can run: {backend}",
        findings=[environment.typed(finding, case.python) for finding in findings],
    )


def _topics(case: Case) -> Iterator[Finding]:
    yield python.version(case.python, case.facts.machine)
    yield python.venv(case.python, _of_system(case))
    yield python.pycoral(case.python)
    yield from _runtimes(case)
    yield from chain.from_iterable(topic(case) for topic in (parts.model_files, coral.check, jetson.check))
    yield from chain.from_iterable(topic(case) for topic in (camera.check, board.check, system.check))
    yield parts.power_meter(case)


def _of_system(case: Case) -> str | None:
    """What the profile names that only the packages of the system bring."""
    if camera.needed(case, "picamera"):
        return CAMERA_OF_SYSTEM
    return TENSORRT_OF_SYSTEM if case.jetson and case.interprets(jetson.KIND) else None


def _runtimes(case: Case) -> Iterator[Finding]:
    """LiteRT by whichever of its two packages works, and ONNX Runtime."""
    arm32 = case.python.bits == 32 and not case.facts.machine.startswith(("x86", "i686"))
    numpy = case.version("numpy") or ""
    works = {package for package in LITERT if case.told(package).how == "well"}
    wanted = "tflite-runtime" if arm32 else "ai-edge-litert"
    litert = case.interprets("litert", coral.KIND) and not works
    for package in (*LITERT, "onnxruntime"):
        asked = case.interprets("onnx") if package == "onnxruntime" else litert and package == wanted
        told, version = case.tried.get(package), case.version(package, f"{package}-gpu")
        yield runtimes.runtime(package, told, asked=asked, arm32=arm32, numpy=numpy, version=version)
