"""`edge doctor`: Jetson."""

import json

import msgspec
import pytest
import trees
from patients import HANGS, HIDING, SEEING, SEGFAULT, examined, made, of

from edge import models
from edge.doctor import jetson, python
from edge.doctor.case import User
from edge.doctor.environment import Package
from edge.doctor.trials import Told
from edge.interpreters.tensorrt import engines
from edge.interpreters.tensorrt.engines import Options, Order

CONF = """\
# comment
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""


def jetson_of(root, *, tensorrt=False, **more):
    """The findings of a Jetson; tensorrt: whether the profile asks for it."""
    patient = made(trees.jetson(root), **more)
    if tensorrt:
        listed = (msgspec.structs.replace(patient.profile.interpreters[0], kind="tensorrt"),)
        chosen = msgspec.structs.replace(patient.profile, interpreters=listed)
        patient = msgspec.structs.replace(patient, profile=chosen)
    return list(jetson.check(patient))


def test_another_board_has_no_power_mode(tmp_path):
    assert not list(jetson.check(made(trees.pc(tmp_path))))


@pytest.mark.parametrize(
    ("mode", "conf", "state", "said", "command"),
    [
        ("pmode:0000 fmode:quiet", CONF, "note", "15W, and MAXN_SUPER is faster", "sudo nvpmodel -m 2"),
        ("pmode:0002", CONF, "good", "MAXN_SUPER, the most that it has", None),
        ("pmode:0001", CONF[: CONF.index("< POWER_MODEL ID=2")], "good", "25W, the most that it has", None),
        ("pmode:0007", CONF, "n/a", "sudo nvpmodel -q", None),
        ("", "", "n/a", "sudo nvpmodel -q", None),
    ],
)
def test_the_power_mode_is_told_among_those_there_are(tmp_path, mode, conf, state, said, command):
    machine = trees.jetson(tmp_path)
    machine.put("var/lib/nvpmodel/status", mode)
    machine.put("etc/nvpmodel.conf", conf)
    found = jetson.power_mode(made(machine))
    assert (found.state, found.command) == (state, command)
    assert said in found.seen


def test_where_the_power_mode_is_not_kept_nvpmodel_is_asked(tmp_path):
    machine = trees.jetson(tmp_path)
    machine.put(
        "etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=5W >\n< POWER_MODEL ID=2 NAME=X >"
    )
    found = jetson.power_mode(made(machine, run=lambda line: "NV Power Mode: 5W\n1\n"))
    assert found.command == "sudo nvpmodel -m 0"
    assert jetson.power_mode(made(machine, run=lambda line: "NV Power Mode: X\n2\n")).state == "note"


def test_the_clocks_of_jetson_clocks_are_told(tmp_path):
    free = jetson.clocks(made(trees.jetson(tmp_path / "free")))
    held = jetson.clocks(made(trees.jetson(tmp_path / "held", least=1510.4)))
    assert (free.state, free.command) == ("note", "sudo jetson_clocks")
    assert held.seen == "held at 1510 MHz, as by `jetson_clocks`"
    machine = trees.jetson(tmp_path / "none")
    for file in (machine.root / "sys").rglob("scaling_*"):
        file.unlink()
    assert jetson.clocks(made(machine)).state == "n/a"


def bindings(root, version):
    (root / f"usr/lib/python{version}/dist-packages/tensorrt").mkdir(parents=True)


NO_TENSORRT = Told(how="well", found={"tensorrt error": "ModuleNotFoundError: No module named 'tensorrt'"})
NO_CUDA = "ModuleNotFoundError: No module named 'cuda'"
PYTHON_3_10 = msgspec.structs.replace(SEEING, version=(3, 10))


def test_tensorrt_and_cuda_python_that_can_be_imported_are_good(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda.cudart": ""})
    found = jetson_of(tmp_path / "a", tensorrt=True, tried={"tensorrt": told})
    assert of(found, "jetson.tensorrt").seen == "TensorRT 10.3.0"
    assert of(found, "jetson.cuda-python").seen == "cuda.cudart can be imported"
    seen = msgspec.structs.replace(SEEING, packages={"cuda-python": Package("12.6.0")})
    found = jetson_of(tmp_path / "b", tensorrt=True, tried={"tensorrt": told}, seen=seen)
    assert of(found, "jetson.cuda-python").seen == "cuda-python 12.6.0"


@pytest.mark.parametrize(
    ("versions", "seen", "told", "said", "command"),
    [
        ([], PYTHON_3_10, NO_TENSORRT, "not installed", "sudo apt install nvidia-jetpack"),
        (
            ["3.10"],
            msgspec.structs.replace(HIDING, version=(3, 10)),
            NO_TENSORRT,
            "does not see it",
            python.let_see(HIDING),
        ),
        (
            ["3.8", "3.10"],
            SEEING,
            NO_TENSORRT,
            "is for Python 3.10, and this is Python 3.11",
            "python3.10 -m venv --system-site-packages ~/edge",
        ),
        (["3.6"], SEEING, NO_TENSORRT, "is for Python 3.6, and this is Python 3.11", None),
        (["3"], SEEING, NO_TENSORRT, "and cannot be imported: ModuleNotFoundError", None),
        ([], SEEING, SEGFAULT, "importing tensorrt crashes (SIGSEGV)", None),
        ([], SEEING, HANGS, "importing tensorrt hangs (no answer within 20 s)", None),
    ],
)
def test_a_tensorrt_that_cannot_be_imported_is_mended_by_its_cause(tmp_path, versions, seen, told, said, command):
    for version in versions:
        bindings(tmp_path, version)
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}, seen=seen), "jetson.tensorrt")
    assert (found.state, found.command) == ("bad", command)
    assert said in found.seen


def test_cuda_python_is_installed_in_the_release_of_cuda(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda.bindings.runtime error": NO_CUDA})
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}), "jetson.cuda-python")
    assert (found.command, NO_CUDA in found.seen) == ("pip install 'cuda-python==12.*'", True)
    (tmp_path / "usr/local/cuda-11.4").mkdir(parents=True)
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}), "jetson.cuda-python")
    assert found.command == "pip install 'cuda-python==11.*'"


def test_a_pc_gets_tensorrt_from_pip(tmp_path):
    patient = made(trees.pc(tmp_path), tried={"tensorrt": NO_TENSORRT})
    assert jetson.tensorrt(patient).command == "pip install tensorrt"


def for_tensorrt(tmp_path, tiny_onnx, more=""):
    """A profile with TensorRT before LiteRT; its model is a file that is there."""
    (tmp_path / "m.onnx").write_bytes(tiny_onnx())
    first = f'[[interpreter]]\nkind = "tensorrt"\nmodel = "{tmp_path}/m.onnx"\n'
    return f"{first}{more}"


AND_LITERT = '[[interpreter]]\nkind = "litert"\n'
TENSORRT_WELL = Told(how="well", found={"tensorrt": "10.3.0", "cuda.cudart": "", "numpy": "1.26.4", "cv2": "4.10"})


def build_engine(chosen):
    """As a run on the board would leave it."""
    (adapter,) = jetson.unbuilt(chosen)
    model = models.load(adapter.model)
    order = Order(folder=str(engines.folder()), model=model.sha256, device=0, options=Options())
    engines.place(order).write_bytes(b"an engine")


def test_an_engine_that_is_not_built_yet_is_told_with_what_builds_it(tmp_path, tiny_onnx, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    patient = made(trees.jetson(tmp_path), for_tensorrt(tmp_path, tiny_onnx))
    found = jetson.engine(patient)
    assert (found.state, found.command) == ("note", "edge run sample: --limit 1 --profile made")
    build_engine(patient.profile)
    assert jetson.engine(patient).state == "good" and jetson.unbuilt(patient.profile) == []


def test_without_a_model_nothing_is_said_of_its_engine(tmp_path):
    text = '[[interpreter]]\nkind = "tensorrt"\nmodel = "/nowhere/m.onnx"\n'
    assert jetson.engine(made(trees.jetson(tmp_path), text)).state == "n/a"


def test_an_examination_never_builds_an_engine(tmp_path, tiny_onnx, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx, AND_LITERT)}')
    report, tried = examined(trees.jetson(tmp_path / "a"), str(profile), modules=TENSORRT_WELL)
    assert report.verdict == "profile p can run: litert-cpu"
    assert "before it: tensorrt: its engine is not built yet" in of(report.findings, "run.interpreter").seen
    (asked,) = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [adapter["kind"] for adapter in asked] == ["litert"]
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx)}')
    report, tried = examined(trees.jetson(tmp_path / "b"), str(profile), modules=TENSORRT_WELL)
    assert report.verdict == "profile p cannot run: its engine is not built yet"
    assert "engine" not in dict(tried)


def test_without_its_library_tensorrt_is_tried_all_the_same_and_tells_why_it_does_not_run(tmp_path, tiny_onnx):
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx, AND_LITERT)}')
    _, tried = examined(trees.jetson(tmp_path / "a"), str(profile))
    (asked,) = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [adapter["kind"] for adapter in asked] == ["tensorrt", "litert"]


def test_a_gpu_that_is_not_permitted_wants_the_group(plain_user):
    machine = trees.jetson(plain_user)
    machine.put("dev/nvmap", "")
    machine.put("etc/group", "video:x:44:")
    assert not list(jetson.permission(made(machine)))
    (machine.root / "dev/nvmap").chmod(0)
    (found,) = jetson.permission(made(machine))
    assert (found.state, found.command) == ("note", "sudo usermod -aG video ada")
    assert found.seen == "no permission for /dev/nvmap"
    (found,) = jetson.permission(made(machine, user=User("ada", frozenset({44}))))
    assert found.command is None and "log out and in again" in found.advice
