"""Models for the Edge TPU: check one, and compile it with Google's `edgetpu_compiler` where that is installed.

The compiler is a closed program for x86-64 Debian and Ubuntu (coral.ai/docs/edgetpu/compiler); its last version is 16.0
of 2021. Needs no framework.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.errors import AdapterError, ModelError, one_line
from edge.files import write_whole
from edge.models import ModelFile, graph
from edge.models import card as cards

from .tpu_rules import Finding, check

__all__ = ["Compiled", "Finding", "Mapped", "check", "compile", "describe"]

PROGRAM = "edgetpu_compiler"

INSTALL = (
    "it runs on x86-64 Debian or Ubuntu only, not on a Raspberry Pi: on such a PC, add Coral's apt repository as "
    "coral.ai/docs/edgetpu/compiler says, run `sudo apt-get install edgetpu-compiler`, and copy the compiled file over"
)

MOST_LOG = 1 << 20
USUAL = ("Edge TPU Compiler version", "Searching for", "Try to", "Started")
"""How the lines begin that are in every log."""

ON_TPU = "Mapped to Edge TPU"
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Mapped(NamedTuple):
    """One line of the compiler's table: an operator, the number of them, and what becomes of those."""

    operator: str
    number: int
    status: str


class Compiled(NamedTuple):
    """What the compiler made and said; what its log does not tell is None.

    path: the compiled file. on_tpu, on_cpu: operators. on_chip, streamed: bytes of parameters kept in the Edge TPU's
    memory, and sent to it again for every picture. version: of the compiler. log: all that it said.
    """

    path: Path
    on_tpu: int | None
    on_cpu: int | None
    operators: tuple[Mapped, ...]
    on_chip: int | None
    streamed: int | None
    version: str | None
    log: str


def compile(model: Path, out: Path | None = None, program: str = PROGRAM, limit_s: float = 600.0) -> Compiled:
    """Compile a .tflite for the Edge TPU. The result, `out`, is written whole or not at all.

    Without `out` it stands beside the model, as NAME_edgetpu.tflite. `program` is the compiler's name or path, and
    `limit_s` the seconds that it may take. Where some operators stay on the CPU the result counts them and is no error.

    Raises:
        AdapterError: the compiler is not installed, does not end in time, or leaves no .tflite.
        ModelError: the compiler refuses the model, or maps nothing of it.
        OSError: the model cannot be read, or the result not be written.
    """
    found = shutil.which(program)
    if found is None:
        raise AdapterError(f"{program} is not installed; {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="edge-compile-") as folder:
        place = Path(folder)
        shutil.copyfile(model, place / "model.tflite")
        code, log = _run([found, "-s", "-o", folder, str(place / "model.tflite")], place, limit_s)
        made = place / "model_edgetpu.tflite"
        data = made.read_bytes() if made.is_file() else b""
    compiled = read_log(log, out or model.with_name(f"{model.stem}_edgetpu.tflite"))
    _verify(model, code, data, compiled)
    write_whole(compiled.path, data)
    return compiled


def describe(compiled: Path, source: ModelFile) -> None:
    """Put the labels and the card of the model that was compiled beside the result, where there are any."""
    if source.labels:
        write_whole(compiled.with_suffix(".txt"), "".join(f"{label}\n" for label in source.labels).encode())
    if source.card:
        digest = hashlib.sha256(compiled.read_bytes()).hexdigest()
        card = msgspec.structs.replace(source.card, name=f"{source.card.name}, Edge TPU", sha256=digest, accuracy=None)
        cards.save(card, cards.path_beside(compiled))


def _verify(model: Path, code: int, data: bytes, compiled: Compiled) -> None:
    """Raise where there is nothing to keep."""
    said = _complaint(compiled.log)
    if code != 0 or (not data and said != "it said nothing"):
        raise ModelError(
            f"{PROGRAM} refuses {model}: {said}; see `edge export {model} --check edgetpu` for the reasons"
        )
    if not graph.is_tflite(data):
        raise AdapterError(f"{PROGRAM} left no .tflite for {model} ({said}); install it again, and compile once more")
    if not graph.compiled_for_edgetpu(data):
        advice = f"see `edge export {model} --check edgetpu` for the reasons"
        raise ModelError(f"{PROGRAM} mapped nothing of {model} to the Edge TPU ({said}); {advice}")


def _run(line: list[str], place: Path, limit_s: float) -> tuple[int, str]:
    """Run the compiler with its children; returns its exit code, and what it said on both its outputs."""
    with (place / "said").open("w+b") as said:
        try:
            child = subprocess.Popen(
                line, cwd=place, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        except OSError as error:
            raise AdapterError(f"{line[0]} does not start ({error.strerror}); {INSTALL}") from error
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            reason = f"{PROGRAM} did not end within {limit_s:g} seconds; allow it more, or give a smaller model"
            raise AdapterError(reason) from error
        finally:
            _end(child)
        said.seek(0)
        return code, said.read(MOST_LOG).decode("utf-8", "replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the compiler and of the processes that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _complaint(log: str) -> str:
    """What the compiler gives as its reason, on one line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(USUAL)]
    return one_line("; ".join(told[:3]))[:300] or "it said nothing"


def read_log(log: str, path: Path) -> Compiled:
    """What the compiler's log tells of a model that is to stand at `path`.

    A log of a network that is wholly mapped has no count of the operators on either side, only their total.
    """
    table = re.findall(r"^([A-Za-z][\w-]*) {2,}(\d+) {2,}(\S.*?)\s*$", log, re.MULTILINE)
    operators = tuple(Mapped(name, int(count), status) for name, count, status in table)
    on_tpu, on_cpu = _count(log, "operations that will run on Edge TPU"), _count(log, "operations that will run on CPU")
    if on_tpu is None and operators:
        on_tpu = sum(each.number for each in operators if each.status == ON_TPU)
        on_cpu = sum(each.number for each in operators if each.status != ON_TPU)
    version = re.search(r"Edge TPU Compiler version (\S+)", log)
    return Compiled(
        path=path,
        on_tpu=on_tpu,
        on_cpu=0 if on_cpu is None and on_tpu is not None else on_cpu,
        operators=operators,
        on_chip=_bytes(log, "On-chip memory used for caching model parameters"),
        streamed=_bytes(log, "Off-chip memory used for streaming uncached model parameters"),
        version=version[1] if version else None,
        log=log,
    )


def _count(log: str, words: str) -> int | None:
    found = re.search(rf"Number of {words}: (\d+)", log)
    return int(found[1]) if found else None


def _bytes(log: str, words: str) -> int | None:
    found = re.search(rf"{words}: ([\d.]+)(B|KiB|MiB|GiB)", log)
    with suppress(ValueError):
        return round(float(found[1]) * UNITS[found[2]]) if found else None
    return None
