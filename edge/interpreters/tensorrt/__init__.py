"""TensorRT, with an engine that is built once from an ONNX file with explicit Q/DQ nodes, and kept.

    open --> child: is there an engine for this TensorRT and this GPU?  yes: load it, try it, serve
                                                                        no: another child builds it, with progress
The library, its driver and its engine run in a child process (`edge.worker`): what crashes or hangs there is an error
here. TensorRT 8.6, 10 and 11 are covered; **none of it was run on a GPU yet** (docs/jetson.md says what was tried).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import msgspec

from edge import worker
from edge.errors import AdapterError, ConfigError, EdgeError, InferenceError, ModelError
from edge.files import write_whole
from edge.interpreters.tensorrt.build import built
from edge.interpreters.tensorrt.engines import MISSING, Options, Order, folder, place, spare
from edge.models import ModelFile
from edge.models.onnx import Grids, grids, needs_other_files
from edge.types import Array, TensorSpec
from edge.worker import Loss

INSTALL = (
    "on a Jetson it is a system package: `sudo apt install nvidia-jetpack`, then make the environment with "
    "`python3 -m venv --system-site-packages` (JetPack 6: also `pip install 'cuda-python<13'`); "
    "on a PC: `pip install tensorrt cuda-python`"
)

log = logging.getLogger("edge")

LOAD_S, ANSWER_S = 90.0, 10.0
"""Seconds for loading library and engine, whose first use starts the GPU, and for one inference."""

BUILD_S = 3600.0
"""A build may take so long: minutes on an Orin, more where a slow card holds it."""

EXPORT = "export it with `edge export MODEL.tflite --for tensorrt -o MODEL.onnx`"


class Wish(NamedTuple):
    """Whether the engine is built whatever is kept, and who is told while that lasts."""

    rebuild: bool
    told: Callable[[str], None] | None


class TensorRT:
    """A model that TensorRT runs in a child process. Not for use by several threads at once."""

    threads = None

    def __init__(self, served: worker.Worker, name: str) -> None:
        self.inputs: Sequence[TensorSpec] = served.inputs
        self.outputs: Sequence[TensorSpec] = served.outputs
        self.backend = served.backend
        self._served = served
        self._name = name

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor; the outputs are copies. Raises InferenceError, also where it hangs or crashes."""
        try:
            return self._served.infer(tensor)
        except InferenceError as error:
            raise InferenceError(f"{self._name}{error}") from error

    def close(self) -> None:
        """Let the child go; calling it again is harmless."""
        self._served.close()


def open(
    model: ModelFile,
    *,
    fp16: bool | None = None,
    workspace_mb: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 256,
    device: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0,
    rebuild: bool = False,
    told: Callable[[str], None] | None = None,
) -> TensorRT:
    """Load a model, and build its engine first where none is kept; stderr tells how far that is.

    fp16: whether layers that are not int8 may run in half precision; None: where this TensorRT has the choice (from 11
    on the file decides). workspace_mb: the most that one layer may use while it runs, in MiB. device: which GPU.
    rebuild: whatever is kept. told: is called in words while that lasts, as a sign of life. A process builds an engine
    once: when it opens it again, it loads what it built.

    Raises ModelError for a file that TensorRT cannot take, AdapterError where library or driver do not work or the
    engine cannot be built here, DeviceError without a GPU or its memory.
    """
    name = f"model {model.path}: "
    _check(model, name)
    options = Options(fp16=fp16, workspace_mb=workspace_mb)
    cache = str(folder() or "")
    mine = Order(folder=spare(), model=model.sha256, device=device, options=options, timings=cache)
    kept = msgspec.structs.replace(mine, folder=cache) if cache else None
    return TensorRT(_served(mine, kept, model, name, Wish(rebuild, told)), name)


def _check(model: ModelFile, name: str) -> None:
    """Refuse what TensorRT would, and say where it would run in another way than is expected."""
    if model.format != "onnx":
        kind = {"tflite": "a .tflite", "torch": "a PyTorch"}[model.format]
        raise ModelError(f"{name}{kind} file, and TensorRT takes ONNX; {EXPORT}")
    if needs_other_files(model.data):
        raise ModelError(f"{name}its weights are in other files, or damaged; export it again, as one file")
    found = grids(model.data)
    if found is Grids.ASYMMETRIC:
        raise ModelError(f"{name}its zero points are not all 0, as TensorRT wants them; {EXPORT}")
    if found is Grids.NONE:
        log.warning("%sno Q/DQ nodes, so that TensorRT runs it in floating point; for int8, %s", name, EXPORT)


def _served(mine: Order, kept: Order | None, model: ModelFile, name: str, wish: Wish) -> worker.Worker:
    """The child with the engine in it, built where it is not kept or cannot be loaded.

    mine: the engine that this process builds, or has built. kept: the one in the cache, where that can be written.
    """
    if not place(mine).exists():
        why = "asked for anew" if wish.rebuild else "nothing can be kept"
        if kept is not None and not wish.rebuild:
            try:
                return _loaded(kept, name, wish)
            except ModelError as error:
                if MISSING not in str(error):
                    raise ModelError(f"{name}{error}") from error
                why = str(error).partition(MISSING)[2].strip()
        log.info("%sTensorRT builds the engine (%s)", name, why)
        _build(mine, model.data, name, wish)
        _keep(mine, kept)
    try:
        return _loaded(mine, name, wish)
    except ModelError as error:
        why = str(error).partition(MISSING)[2].strip() or str(error)
        raise ModelError(f"{name}the engine that was just built is of no use: {why}; give another model") from error


def _build(order: Order, data: bytes, name: str, wish: Wish) -> None:
    """Build an engine. What fails is no DeviceError: it would be tried again, for minutes each time."""
    try:
        built(order, data, BUILD_S, told=wish.told)
    except EdgeError as error:
        kind = type(error) if isinstance(error, ConfigError | ModelError) else AdapterError
        raise kind(f"{name}{error}") from error


def _keep(mine: Order, kept: Order | None) -> None:
    """Keep what was built for the next start, where that can be."""
    why = "the cache folder cannot be written"
    if kept is not None:
        try:
            write_whole(place(kept), place(mine).read_bytes())
            return
        except OSError as error:
            why = f"{place(kept)}: {error.strerror}"
    log.warning("tensorrt: %s, so that each start builds the engine anew; make room there", why)


def _loaded(order: Order, name: str, wish: Wish) -> worker.Worker:
    def explain(loss: Loss) -> EdgeError:
        if loss.phase == "run":
            return InferenceError(f"TensorRT was lost: {loss}; see `sudo dmesg`, and start it again")
        advice = f"its libraries do not fit each other or the driver, or {place(order)} is bad: take that away"
        return AdapterError(f"{name}TensorRT does not work here: {loss}; {advice}")

    text = msgspec.json.encode(order).decode()
    target = "edge.interpreters.tensorrt.run:load"
    return worker.start(target, b"", text, load_s=LOAD_S, answer_s=ANSWER_S, explain=explain, told=wish.told)
