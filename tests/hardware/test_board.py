"""What a board shows that nothing else can. Each test says in its first line what it shows; see conftest.py."""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

import cv2
import pytest
from msgspec.structs import replace

from edge import adapters, boards, coral, meter, models
from edge.adapters import Adapter
from edge.cameras.sample import photographs
from edge.doctor import jetson
from edge.engine import open_engine
from edge.errors import AdapterError, CameraError, ModelError
from edge.host.linux import Linux
from edge.interpreters.tensorrt import engines
from edge.pipeline import cameras, open_camera, open_pipeline
from edge.preprocess import frame_of

BACKENDS = {
    "litert": ("litert-cpu", "tflite-cpu"),
    "edgetpu": ("edgetpu",),
    "tensorrt": ("tensorrt",),
    "onnx": ("onnx",),
}
"""How the names of the backends of each kind begin."""

SHOWN = {
    "chelsea": ("Egyptian cat", "tabby", "tiger cat"),
    "china": ("palace", "monastery", "bell cote"),
    "coffee": ("espresso", "cup", "chocolate sauce"),
    "hopper": ("military uniform", "mortarboard", "academic gown"),
    "photographer": ("tripod",),
    "rocket": ("missile", "projectile", "space shuttle", "drilling platform", "obelisk"),
}
"""What the photographs that ship may be called: the first three classes of the models for these boards, on a PC."""

NAMED = os.environ.get("EDGE_HARDWARE_PROFILE")
AS_NAMED = ["--profile", NAMED] if NAMED else []

FRAMES = 60


def seen(path):
    """A photograph as a frame."""
    return frame_of(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), 0)


def answers(engine):
    """The first class of each photograph that ships, by its file's name."""
    found = {}
    for path in photographs():
        frame = seen(path)
        tensor = engine.preprocessor.new_tensor()
        found[path.stem] = engine.answer(frame, tensor, engine.prepare(frame, tensor)).answer[0].label
    return found


def agreement(one, other):
    """The share of photographs that two engines call the same; some models give a class several names."""
    first, second = answers(one), answers(other)
    same = [first[name].partition(",")[0] == second[name].partition(",")[0] for name in first]
    return sum(same) / len(same)


def test_the_board_is_recognised_and_tells_what_it_is(profile, measured):
    """The device tree, or USB and PCIe, choose this profile, and the kernel tells cores and memory."""
    facts = Linux().facts()
    measured["recognised"] = boards.recognise()._asdict()
    assert facts.cores >= 1 and facts.memory_bytes > 1 << 28
    if NAMED is None:
        assert profile.because and facts.board


def test_the_first_interpreter_of_the_profile_runs(profile, engine, measured):
    """What the profile prefers really runs; nothing else took its place."""
    measured["backend"] = engine.interpreter.backend
    assert engine.instead_of == ()
    assert engine.interpreter.backend.startswith(BACKENDS[profile.interpreters[0].kind])


def test_it_names_what_the_photographs_show(engine, measured):
    """The answers on this hardware are right, and not merely fast."""
    measured["answers"] = found = answers(engine)
    wrong = {name: label for name, label in found.items() if label.partition(",")[0] not in SHOWN[name]}
    assert not wrong


def test_a_hundred_inferences_come_one_like_the_other(engine, measured):
    """It answers the same picture always the same, for as long as a hundred inferences take."""
    frame = seen(photographs()[0])
    tensor = engine.preprocessor.new_tensor()
    spent = engine.prepare(frame, tensor)
    results = [engine.answer(frame, tensor, spent) for _ in range(100)]
    measured["inference_ms"] = statistics.median(result.timing.inference for result in results) / 1e6
    assert len({result.answer for result in results}) == 1


def test_edge_run_writes_the_backend_into_its_records(profile, engine):
    """The command that a user types runs the same backend, from sample pictures to JSON lines."""
    line = [sys.executable, "-m", "edge", "run", "sample:", "--limit", "5", "--json", *AS_NAMED]
    done = subprocess.run(line, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    records = [json.loads(record) for record in done.stdout.splitlines()]
    assert {record["backend"] for record in records} == {engine.interpreter.backend}


@contextlib.contextmanager
def camera_of(profile):
    """The first camera that opens of those that `edge run` would try; skips where there is none."""
    listed = [source.adapter for source in cameras(profile, None) if source.adapter.kind != "sample"]
    if not listed:
        pytest.skip("the profile names no camera, and none is here")
    reasons = []
    for adapter in listed:
        try:
            opened = open_camera(adapter, {})
        except (CameraError, AdapterError) as error:
            reasons.append(str(error))
            continue
        try:
            yield adapter.kind, opened
        finally:
            opened.close()
        return
    pytest.fail("; ".join(reasons))


def test_the_camera_gives_frames_at_its_rate(profile, measured):
    """Frames come evenly, at five a second or more, with times of capture that rise and lie close behind."""
    with camera_of(profile) as (kind, opened):
        taken = []
        for frame in itertools.islice(opened, FRAMES):
            taken.append((frame.captured_at_ns, time.monotonic_ns() - frame.captured_at_ns, frame.size))
    times = [captured for captured, _, _ in taken[10:]]  # the first ones wait for exposure and white balance
    between = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(times)]
    measured["camera"] = {
        "kind": kind,
        "size": taken[-1][2],
        "frames_per_s": 1 / statistics.median(between),
        "age_ms": statistics.median(age for _, age, _ in taken[10:]) / 1e6,
    }
    assert len(taken) == FRAMES and min(between) > 0
    assert statistics.median(between) <= 0.2
    assert measured["camera"]["age_ms"] < 1000


@pytest.mark.skipif(
    not os.environ.get("EDGE_HARDWARE_UNPLUG"), reason="set EDGE_HARDWARE_UNPLUG=1 to pull out the camera"
)
def test_a_camera_that_is_pulled_out_and_plugged_in_again_goes_on(profile, capfd, measured):
    """A USB camera that goes away and comes back within a minute does not end the run."""
    if not profile.cameras:
        pytest.skip("the profile names no camera")
    with open_pipeline(profile, patience_s=90.0) as pipeline, capfd.disabled():
        print("\nPull out the camera now, count to three, and plug it in again (within a minute) ...", flush=True)
        last, until = time.monotonic(), time.monotonic() + 120
        for _ in pipeline:
            away, last = time.monotonic() - last, time.monotonic()
            if away > 1.5:
                break
            assert last < until, "nobody pulled it out"
    measured["camera_away_s"] = away


def test_the_power_meter_gives_watts_that_can_be(profile, measured):
    """The meter of the profile reads what a board may draw: more than a third of a watt, less than two hundred."""
    if profile.power is not None:
        found, reasons = adapters.open("power", profile.power.kind, **profile.power.options), []
    else:
        found, reasons = meter.detect()
    if found is None:
        pytest.skip(f"no power meter: {'; '.join(reasons)}")
    with contextlib.closing(found):
        first, started = found.read(), time.monotonic()
        time.sleep(2 * found.interval_s)
        second, took = found.read(), time.monotonic() - started
    watts = second.watts if second.watts is not None else (second.joules - first.joules) / took
    measured["power"] = {"name": found.name, "covers": found.covers, "watts": watts}
    assert 0.3 < watts < 200


def test_the_temperature_can_be_and_nothing_holds_the_board_back(measured):
    """A sensor tells the temperature, and firmware or kernel tell no under-voltage and no throttling now."""
    state = Linux().state()
    measured["temperature_c"] = state.temperature_c
    if state.temperature_c is None and NAMED:
        pytest.skip("no sensor tells, and this need be no board")
    assert state.temperature_c is not None and 0 < state.temperature_c < 105
    assert not state.limits


def test_an_edge_tpu_on_pcie_tells_its_temperature(measured):
    """The driver `apex` tells a temperature that can be."""
    found = [tpu for tpu in coral.found() if tpu.bus == "pci"]
    if not found:
        pytest.skip("no Edge TPU on PCIe")
    measured["apex_c"] = [tpu.temperature_c for tpu in found]
    assert all(tpu.temperature_c is not None and 0 < tpu.temperature_c < 110 for tpu in found)


def test_edge_doctor_says_that_the_profile_can_run(measured):
    """Its verdict agrees with what runs."""
    line = [sys.executable, "-m", "edge", "doctor", "--json", *AS_NAMED]
    started = time.monotonic()
    done = subprocess.run(line, cwd="/", capture_output=True, text=True, timeout=600, check=False)
    report = json.loads(done.stdout)
    measured["doctor"] = {"seconds": time.monotonic() - started, **report}
    assert (done.returncode, report["can_run"]) == (0, True), report["verdict"]


def first_of(profile, kind):
    """The profile's table of that kind; skips where there is none."""
    found = [adapter for adapter in profile.interpreters if adapter.kind == kind]
    if not found:
        pytest.skip(f"the profile lists no {kind}")
    return found[0]


def litert(profile, model):
    """LiteRT on the processor, with another model, for comparison."""

    return open_engine(replace(profile, interpreters=(Adapter("litert"),), model=model, labels=None))


def test_the_engine_of_tensorrt_is_built_kept_and_agrees_with_litert(profile, engine, measured):
    """TensorRT builds its engine once, keeps it, and calls at least five of the six photographs what LiteRT does."""
    first_of(profile, "tensorrt")
    assert engine.interpreter.backend.startswith("tensorrt")
    assert all(engines.place(order).exists() for order in jetson.orders(profile).values())
    started = time.monotonic()
    open_engine(profile).close()
    measured["tensorrt_reopened_s"] = time.monotonic() - started
    with contextlib.closing(litert(profile, models.DEFAULT)) as other:
        measured["tensorrt_agreement"] = agreement(engine, other)
    assert measured["tensorrt_agreement"] >= 5 / 6


def test_the_edge_tpu_agrees_with_the_model_that_it_was_compiled_from(profile, engine, measured):
    """The Edge TPU calls at least five of the six photographs what the uncompiled model does on the processor."""
    adapter = first_of(profile, "edgetpu")
    assert engine.interpreter.backend.startswith("edgetpu")
    name = (adapter.model or profile.model or "").removesuffix(".tflite").removesuffix("_edgetpu")
    try:
        models.find(name)
    except ModelError as error:
        pytest.skip(str(error))
    with contextlib.closing(litert(profile, name)) as other:
        measured["edgetpu_agreement"] = agreement(engine, other)
    assert measured["edgetpu_agreement"] >= 5 / 6
