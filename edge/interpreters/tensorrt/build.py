"""An engine built from an ONNX file, in a child process of its own that tells how far it is.

The child writes one JSON object a line to standard output: what it does now, how far it is, what went wrong. On a
terminal these become a bar, elsewhere a line now and then. A build that is interrupted keeps nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import msgspec

from edge.children import Child, death
from edge.errors import AdapterError, ConfigError, DeviceError, EdgeError, ModelError, one_line
from edge.files import write_whole
from edge.interpreters.tensorrt import library
from edge.interpreters.tensorrt.engines import Options, Order, keep, timings
from edge.interpreters.tensorrt.library import Cuda
from edge.interpreters.tensorrt.shown import Shown, Step, Told, shown
from edge.worker.messages import Failed

CHILD = "from edge.interpreters.tensorrt.build import child; child({order!r})"

LAST_S = 10.0
"""Seconds in which the child ends once it has said all."""

LAST_SAID = 3
"""Lines of the child's stderr that go into a message."""

OUT_OF_MEMORY = ("out of memory", "outofmemory", "insufficient memory", "cudaerrormemoryallocation")


def built(
    order: Order,
    data: bytes,
    limit_s: float,
    clock: Callable[[], float] = time.monotonic,
    idle_s: float = 5.0,
    told: Callable[[str], None] | None = None,
) -> None:
    """Build the engine of an ONNX file and keep it in the order's folder, within `limit_s` seconds.

    idle_s: seconds of silence after which it is shown that it still works. told: is called in words at each step, and
    then, too.

    Raises ModelError, AdapterError, DeviceError or ConfigError, in the words of the child or of its end.
    """
    code = CHILD.format(order=msgspec.json.encode(order).decode())
    with tempfile.TemporaryFile() as model, tempfile.TemporaryFile() as said, shown() as show:
        model.write(data)
        model.seek(0)
        child = Child(code, stdin=model, stdout=subprocess.PIPE, stderr=said)
        try:
            failed = _followed(child.process, Told(show, told) if told else show, clock() + limit_s, clock, idle_s)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(LAST_S)
            code_of_end = child.process.poll()
        finally:
            child.end()
        if failed:
            raise failed.error()
        if code_of_end != 0:
            how = "it does not end" if code_of_end is None else death(code_of_end)
            said.seek(0)
            last = one_line(b" ".join(said.read()[-2000:].splitlines()[-LAST_SAID:]).decode("utf-8", "replace"), 300)
            more = f": {last}" if last else ""
            advice = library.MEMORY if how == "SIGKILL" else library.DRIVER
            raise AdapterError(f"TensorRT crashed while it built the engine ({how}){more}; {advice}")


def _followed(
    process: subprocess.Popen[bytes], show: Shown, until: float, clock: Callable[[], float], idle_s: float
) -> Failed | None:
    """Show what the child says until it has said all; what went wrong, if it said so."""
    assert process.stdout is not None
    handle, rest = process.stdout.fileno(), b""
    while True:
        ready, _, _ = select.select([handle], [], [], max(0.0, min(idle_s, until - clock())))
        if clock() >= until:
            advice = "see with `sudo dmesg` whether the GPU works"
            raise AdapterError(f"TensorRT did not end to build the engine in time; {advice}")
        if not ready:
            if process.poll() is not None:  # what it started may hold the line
                return None
            show.still()
            continue
        chunk = os.read(handle, 1 << 16)
        if not chunk:
            return None
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            try:
                message = msgspec.json.decode(line, type=Step | Failed)
            except msgspec.MsgspecError as error:
                raise AdapterError(f"TensorRT's build says what is no message: {one_line(error, 200)}") from error
            if isinstance(message, Failed):
                return message
            show(message)


def child(order: str) -> None:
    """What the process does: build the engine of the ONNX file on standard input."""
    lines = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what the library prints to standard output must not come among the messages

    def say(message: Step | Failed) -> None:
        lines.write(msgspec.json.encode(message) + b"\n")

    # A broken library could still crash in its destructors: none of them runs.
    os._exit(finished(msgspec.json.decode(order, type=Order), sys.stdin.buffer.read(), say))


def finished(order: Order, data: bytes, say: Callable[[Step | Failed], None]) -> int:
    """Build, and say what went wrong; the exit code of the child."""
    try:
        build(order, data, say)
    except BrokenPipeError:  # nobody listens any more
        return 1
    except Exception as error:  # noqa: BLE001 - the parent raises it
        with contextlib.suppress(BrokenPipeError):
            say(Failed.because(error))
        return 1
    return 0


def build(order: Order, data: bytes, say: Callable[[Step], None]) -> None:
    """Build and keep; raises what `built` does."""
    trt, heard = library.tensorrt(), list[str]()
    cuda = Cuda(order.device)
    identity = library.identity(trt, cuda, order)
    say(Step(f"TensorRT {identity.tensorrt} on {identity.gpu}", 0, 0))
    lines = None if hasattr(trt, "IProgressMonitor") else lambda line: say(Step(one_line(line, 100), 0, 0))
    log = library.logger(trt, heard, lines)
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # pybind11 where the library gave nothing
        raise DeviceError(f"TensorRT cannot start a builder: {_last(heard, error)}; {library.NO_GPU}") from error
    network = _parsed(trt, builder, data, log)
    config, monitor = _configured(trt, builder, order.options, say)
    cache, known = timings(order, identity), b""
    with contextlib.suppress(OSError):
        known = cache.read_bytes()
    _with_timings(config, known)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise _refused(heard)
    del monitor  # it had to outlive the build
    try:
        keep(order, identity, bytes(plan))
    except OSError as error:
        raise AdapterError(f"the engine cannot be kept: {error.filename}: {error.strerror}; make room there") from error
    measured = config.get_timing_cache()
    if measured is not None:
        with contextlib.suppress(OSError):  # the next build only takes longer
            write_whole(cache, bytes(measured.serialize()))


def _parsed(trt: Any, builder: Any, data: bytes, log: Any) -> Any:
    """The network of an ONNX file. 8.x wants to be told that its batch is explicit; later ones know nothing else."""
    flags = trt.NetworkDefinitionCreationFlag
    explicit = getattr(flags, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, log)
    if parser.parse(data):
        return network
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    said = "; ".join(one_line(error.desc(), 200) for error in errors[:3]) or "it does not say why"
    advice = "export it again with `edge export --for tensorrt`"
    raise ModelError(f"TensorRT {trt.__version__} cannot read it: {said}; {advice}")


def _configured(trt: Any, builder: Any, options: Options, say: Callable[[Step], None]) -> tuple[Any, Any]:
    """How the engine is to be built; and the monitor, which must live as long as the build.

    8.6 and 10 take int8 from Q/DQ nodes only where the flag allows it, and half precision likewise. 11 has no such
    flags: each layer runs in the types that the file gives it (NVIDIA, Migrating from TensorRT 10.x to 11.x).
    """
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    flags = trt.BuilderFlag
    if hasattr(flags, "INT8"):
        config.set_flag(flags.INT8)
    if options.fp16 and not hasattr(flags, "FP16"):
        raise ConfigError(f"fp16: TensorRT {trt.__version__} takes the precision from the file; leave it out")
    if options.fp16 is not False and hasattr(flags, "FP16"):
        config.set_flag(flags.FP16)
    monitor = _monitor(trt, say) if hasattr(trt, "IProgressMonitor") else None
    if monitor is not None:
        config.progress_monitor = monitor
    return config, monitor


def _with_timings(config: Any, known: bytes) -> None:
    """Use what was measured before; what is damaged or of another version is begun anew."""
    found = config.create_timing_cache(known)
    if found is None or not config.set_timing_cache(found, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _monitor(trt: Any, say: Callable[[Step], None]) -> Any:
    """Tells how far the longest phase is (TensorRT 10 and later). Its methods are called from several threads."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps
            say(Step(phase_name, 0, num_steps))

        def step_complete(self, phase_name: str, step: int) -> bool:
            say(Step(phase_name, step + 1, self.steps.get(phase_name, 0)))
            return True  # False would end the build

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    return Monitor()


def _refused(heard: list[str]) -> EdgeError:
    said = _last(heard, "it does not say why")
    if any(words in line.lower() for line in heard for words in OUT_OF_MEMORY):
        return AdapterError(f"TensorRT ran out of memory while it built the engine: {said}; {library.MEMORY}")
    return ModelError(f"TensorRT cannot build an engine of it: {said}; export it again with `edge export`")


def _last(heard: list[str], otherwise: object) -> str:
    return heard[-1] if heard else one_line(otherwise, 200)
