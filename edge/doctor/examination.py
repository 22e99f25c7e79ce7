"""The examination: gather what there is to know, judge it, and say whether the profile can run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import msgspec

from edge import source
from edge.adapters import Adapter
from edge.cameras.v4l2 import nodes
from edge.doctor import board, camera, coral, environment, jetson, parts, python, runtimes, system
from edge.doctor.case import Case, disk_of, this_user
from edge.doctor.environment import Python
from edge.doctor.finding import Finding, Report
from edge.doctor.trials import Told, Try
from edge.files import cache
from edge.firmware import Run
from edge.host.linux import Linux
from edge.profile import DeviceProfile

AT_ONCE = 2
"""Trials that run side by side: each loads a library, and the smallest board has 512 MB."""

LITERT = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
"""The two runtimes of the processor, of which one is enough: their packages, and their modules."""

CAMERA_OF_SYSTEM, TENSORRT_OF_SYSTEM = "picamera2", "TensorRT"


def gather(chosen: DeviceProfile, seen: Python, root: Path, run: Run, attempt: Try) -> Case:
    """Everything that is judged; the trials are made here."""
    machine = Linux(root=root, run=run)
    return Case(
        profile=chosen,
        facts=machine.facts(),
        state=machine.state(),
        root=root,
        run=run,
        python=seen,
        user=this_user(),
        disk=disk_of(cache()),
        page_bytes=environment.bytes_of_a_page(),
        now=time.time(),
        tried=_made(chosen, plan(chosen, seen, root), attempt),
        cameras=nodes.found(root),
    )


def plan(chosen: DeviceProfile, seen: Python, root: Path) -> dict[str, tuple[str, str]]:
    """The trials that mean something here, but for that of the interpreters: their names, and what is to be run."""
    interpreters = {adapter.kind for adapter in chosen.interpreters}
    planned = {}
    if chosen.cameras:
        planned["camera"] = ("camera", msgspec.json.encode(_cameras(chosen)).decode())
    for package, module in LITERT.items():
        if package in seen.packages:
            planned[package] = ("litert", module)
    if {"onnxruntime", "onnxruntime-gpu"} & seen.packages.keys():
        planned["onnxruntime"] = ("onnx", "onnxruntime")
    if any(adapter.kind == "picamera" for adapter in chosen.cameras):
        planned["picamera2"] = ("modules", "libcamera,picamera2")
    if jetson.KIND in interpreters:
        planned["tensorrt"] = ("modules", ",".join(("tensorrt", *jetson.CUDA)))
    found = coral.library_of(chosen, root)
    if found and coral.KIND in interpreters:
        planned["libedgetpu"] = ("library", str(found))
    return planned


def _cameras(chosen: DeviceProfile) -> list[Adapter]:
    """What `edge run` would open: a profile that nobody named may also have any other camera that there is."""
    if chosen.because is None or (found := source.default()) == "sample:":
        return list(chosen.cameras)
    return [*chosen.cameras, source.parse(found)]


def _engine(chosen: DeviceProfile, attempt: Try, late: list[Adapter]) -> Told:
    """The trial of the interpreters; one that takes the whole process with it is passed over, as a run would do.

    late: those that would first build an engine for minutes, and are left out.
    """
    order = [adapter for adapter in chosen.interpreters if adapter not in late]
    passed = {f"instead of {adapter.kind}": f"{adapter.kind}: its engine is not built yet" for adapter in late}
    if not order:
        return Told(how="failed", said=f"its engine is not built yet; build it with `{jetson.BUILD}`")
    while True:
        rest = msgspec.structs.replace(chosen, interpreters=tuple(order))
        told = attempt("engine", msgspec.json.encode(rest).decode())
        if told.how in ("well", "failed") or len(order) == 1:
            return msgspec.structs.replace(told, found={**passed, **told.found})
        lost = order.pop(0).kind
        how = "crashes" if told.how == "crashed" else "hangs"
        passed[f"instead of {lost}"] = f"{lost} {how} ({told.said})"


def _made(chosen: DeviceProfile, planned: Mapping[str, tuple[str, str]], attempt: Try) -> dict[str, Told]:
    first = {name: attempt(*trial) for name, trial in planned.items() if name == jetson.KIND}
    builds = any(jetson.KIND in told.found for told in first.values())  # without its library it builds nothing
    with ThreadPoolExecutor(AT_ONCE, "edge-doctor") as pool:
        engine = pool.submit(_engine, chosen, attempt, jetson.unbuilt(chosen) if builds else [])
        begun = {name: pool.submit(attempt, *trial) for name, trial in planned.items() if name not in first}
        return {"engine": engine.result(), **first, **{name: made.result() for name, made in begun.items()}}


def judge(case: Case, first: list[Finding]) -> Report:
    """The report. first: what was found before the profile could be read."""
    interpreter, seen = parts.interpreter(case), camera.taken(case)
    findings = [*first, *_topics(case), interpreter, seen]
    failed = [finding for finding in (interpreter, seen) if finding.state == "bad"]
    backend = case.told("engine").found.get("backend")
    name = case.profile.name
    why = "; ".join(finding.seen for finding in failed)
    return Report(
        profile=name,
        because=case.profile.because,
        board=case.facts.board,
        can_run=not failed,
        backend=backend,
        verdict=f"profile {name} cannot run: {why}" if failed else f"profile {name} can run: {backend}",
        findings=findings,
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
    if case.films("picamera"):
        return CAMERA_OF_SYSTEM
    return TENSORRT_OF_SYSTEM if case.jetson and case.interprets(jetson.KIND) else None


def _runtimes(case: Case) -> Iterator[Finding]:
    """LiteRT by whichever of its two packages works, and ONNX Runtime."""
    arm32 = case.python.bits == 32 and not case.facts.machine.startswith(("x86", "i686"))
    numpy = case.python.packages.get("numpy", environment.Package("")).version
    works = {package for package in LITERT if case.told(package).how == "well"}
    wanted = "tflite-runtime" if arm32 else "ai-edge-litert"
    litert = case.interprets("litert", coral.KIND) and not works
    for package in (*LITERT, "onnxruntime"):
        asked = case.interprets("onnx") if package == "onnxruntime" else litert and package == wanted
        yield runtimes.runtime(package, case.tried.get(package), asked=asked, arm32=arm32, numpy=numpy)
