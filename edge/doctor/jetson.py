"""NVIDIA's boards: the power mode, the clocks, and what TensorRT needs."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator

from edge import models
from edge.devices import permitted
from edge.doctor import python
from edge.doctor.case import Case, join
from edge.doctor.finding import Finding, bad, good, judged, not_applicable, note
from edge.doctor.trials import Told
from edge.errors import ModelError
from edge.interpreters.tensorrt import engines
from edge.interpreters.tensorrt.engines import Options, Order
from edge.profile import AUTO, DeviceProfile

KIND = "tensorrt"

BUILD = "build "
"""Begins what the trial of TensorRT says of an engine that would be built."""

NOWHERE = "/nonexistent"

BINDINGS = "usr/lib/python3*/dist-packages/tensorrt"
"""Where JetPack puts the bindings of TensorRT, for the Python of its system alone."""


def check(case: Case) -> Iterator[Finding]:
    """All of it; nothing where neither the board nor the profile is of this kind."""
    if case.jetson:
        yield power_mode(case)
        yield clocks(case)
        yield from permission(case)
    if case.interprets(KIND):
        yield tensorrt(case)
        yield cuda(case)
        yield engine(case)


def orders(chosen: DeviceProfile) -> dict[str, Order]:
    """The engines that the interpreters of a profile, by their places in it, load; none of a model that is not here."""
    folder, found = str(engines.folder() or NOWHERE), dict[str, Order]()
    for number, adapter in enumerate(chosen.interpreters):
        with contextlib.suppress(ModelError):
            if adapter.kind == KIND:
                model = models.load(adapter.model or chosen.model, adapter.labels or chosen.labels)
                known = {key: adapter.options[key] for key in Options.__struct_fields__ if key in adapter.options}
                device = adapter.options.get("device", 0)
                found[str(number)] = Order(folder=folder, model=model.sha256, device=device, options=Options(**known))
    return found


def unbuilt(told: Told | None) -> dict[int, str]:
    """Why interpreters, by their places in the profile, would first build an engine, as the trial of TensorRT tells."""
    built = told.found.items() if told else ()
    return {int(key.removeprefix(BUILD)): _why(said) for key, said in built if key.startswith(BUILD)}


def _why(said: str) -> str:
    if engines.folder() is None:
        return "no folder can be written to keep an engine in, so that each start builds one, for minutes"
    if said == engines.FIRST_USE:
        return "its engine is not built yet, which takes minutes, once"
    return f"its engine is kept, but cannot be used ({said}), so that the next start builds it again, for minutes"


def build(given: str) -> str:
    """The command that builds the engines of a profile; given: as it was named."""
    return "edge run sample: --limit 1" + ("" if given == AUTO else f" --profile {shlex.quote(given)}")


def engine(case: Case) -> Finding:
    """Whether the engines are built, and can be used by this TensorRT on this GPU."""
    name, told = "jetson.engine", case.told("tensorrt")
    if unbuilt(told):
        return note(name, "; ".join(dict.fromkeys(unbuilt(told).values())), command=build(case.given))
    if not {"tensorrt", "cuda"} <= told.found.keys():
        return not_applicable(name, "without TensorRT and a GPU nothing tells of it")
    if not orders(case.profile):
        return not_applicable(name, "its model is not here yet")
    return good(name, "the engine is built and kept")


def permission(case: Case) -> Iterator[Finding]:
    """Of the node through which memory of the GPU is had."""
    node = case.root / "dev/nvmap"
    if node.exists() and not permitted(node):
        said, become = f"no permission for /{node.relative_to(case.root)}", join(case, "video")
        asked = case.interprets(KIND)
        advice = "and log in again:" if become else "log out and in again, or start the board anew"
        yield judged(asked, "jetson.permission", said, advice=advice, command=become)


def power_mode(case: Case) -> Finding:
    """How much the board may draw: what `nvpmodel` keeps, among those that its configuration has."""
    name = "jetson.power-mode"
    kept = re.search(r"pmode:(\d+)", case.read("var/lib/nvpmodel/status") or "")
    told = kept or re.search(r"^(\d+)\s*$", case.run(["nvpmodel", "-q"]) or "", re.MULTILINE)
    written = case.read("etc/nvpmodel.conf") or ""
    modes = {int(number): mode for number, mode in re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", written)}
    if told is None or int(told[1]) not in modes:
        return not_applicable(name, "nothing tells in which power mode it is; ask with `sudo nvpmodel -q`")
    now = int(told[1])
    most = max(modes, key=lambda number: _watts(modes[number]))
    if _watts(modes[now]) >= _watts(modes[most]):
        return good(name, f"{modes[now]}, the most that it has")
    said = f"{modes[now]}, and {modes[most]} is faster"
    return note(name, said, advice="if power supply and cooling allow it:", command=f"sudo nvpmodel -m {most}")


def _watts(mode: str) -> float:
    """The watts that the name of a mode tells; those without a limit have none."""
    found = re.search(r"(\d+)W", mode)
    if mode.startswith("MAXN"):
        return float("inf")
    return float(found[1]) if found else 0.0


def clocks(case: Case) -> Finding:
    """Whether `jetson_clocks` holds them at their highest."""
    name, least, most = "jetson.clocks", case.state.least_mhz, case.state.most_mhz
    if least is None or most is None:
        return not_applicable(name, "the kernel tells no clocks")
    if least == most:
        return good(name, f"held at {max(most):.0f} MHz, as by `jetson_clocks`")
    said = "they follow the load, so that frames after a rest take longer, and figures vary"
    return note(name, said, advice="for measurements, until the next start:", command="sudo jetson_clocks")


def tensorrt(case: Case) -> Finding:
    """Whether its bindings can be imported, and if not, why."""
    name, told = "jetson.tensorrt", case.told("tensorrt")
    if "tensorrt" in told.found:
        return good(name, f"TensorRT {told.found['tensorrt']}")
    if told.how in ("crashed", "silent"):
        how = "crashes" if told.how == "crashed" else "hangs"
        return bad(name, f"loading TensorRT {how} ({told.said})", advice="install it again, as JetPack has it")
    said = told.found.get("tensorrt error", told.said).partition("; ")[0]
    if not case.jetson:
        return bad(name, said, command="pip install tensorrt")
    versions = [path.parts[-3].removeprefix("python") for path in case.root.glob(BINDINGS)]
    if not versions:
        said = "the bindings of TensorRT are not installed"
        return bad(name, said, command="sudo apt install nvidia-jetpack")
    return _hidden(case, versions, said)


def _hidden(case: Case, versions: list[str], said: str) -> Finding:
    """JetPack's bindings are there, for a Python that this may not be, or in a place that it does not see."""
    name = "jetson.tensorrt"
    # Debian's "python3" folder serves whichever Python the system has.
    if case.python.called not in versions and "3" not in versions:
        theirs = max(versions, key=_numbers)
        said = f"TensorRT of this JetPack is for Python {theirs}, and this is Python {case.python.called}"
        if _numbers(theirs) < [3, 10]:
            advice = "edgekit needs Python 3.10, which JetPack has from 6 on; until then litert runs"
            return bad(name, said, advice=advice)
        return bad(name, said, command=f"python{theirs} -m venv --system-site-packages ~/edge")
    if not case.python.system_packages:
        said = "JetPack's TensorRT is installed, and this environment does not see it"
        return bad(name, said, command=python.let_see(case.python))
    said = f"TensorRT is installed: {said}"
    return bad(name, said, advice="see `pip list | grep -i tensorrt` for a second one")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def cuda(case: Case) -> Finding:
    """Whether cuda-python gives a GPU."""
    name, told = "jetson.cuda-python", case.told("tensorrt")
    if "cuda" in told.found:
        return good(name, f"cuda-python {case.version('cuda-python') or ''}".rstrip() + f": {told.found['cuda']}")
    seen, _, advice = told.found.get("cuda error", told.said).rpartition("; ")
    if "cuda-python" in seen:
        return bad(name, seen, command=_install(case))
    return bad(name, seen or advice, advice=advice if seen else None)


def _install(case: Case) -> str:
    """The release of cuda-python has to be that of CUDA."""
    found = sorted(path.name for path in case.root.glob("usr/local/cuda-[0-9]*.[0-9]*"))
    major = found[-1].removeprefix("cuda-").partition(".")[0] if found else "12"
    return f"pip install 'cuda-python=={major}.*'"
