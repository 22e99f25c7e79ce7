"""`edge doctor`: Jetson."""

import json

import msgspec
import pytest
import trees
from patients import HANGS, HIDING, SEEING, SEGFAULT, examined, made, of

from edge.doctor import jetson, python
from edge.doctor.case import User
from edge.doctor.environment import Package
from edge.doctor.trials import Told

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


NO_TENSORRT = Told(how="well", found={"tensorrt error": "TensorRT cannot be loaded: no module; install it"})
NO_CUDA = "cuda-python cannot be loaded: No module named 'cuda'; install it"
PYTHON_3_10 = msgspec.structs.replace(SEEING, version=(3, 10))


def test_tensorrt_and_cuda_python_that_give_a_gpu_are_good(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda": "Orin"})
    found = jetson_of(tmp_path / "a", tensorrt=True, tried={"tensorrt": told})
    assert of(found, "jetson.tensorrt").seen == "TensorRT 10.3.0"
    assert of(found, "jetson.cuda-python").seen == "cuda-python: Orin"
    seen = msgspec.structs.replace(SEEING, packages={"cuda-python": Package("12.6.0")})
    found = jetson_of(tmp_path / "b", tensorrt=True, tried={"tensorrt": told}, seen=seen)
    assert of(found, "jetson.cuda-python").seen == "cuda-python 12.6.0: Orin"


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
        (["3"], SEEING, NO_TENSORRT, "TensorRT is installed: TensorRT cannot be loaded: no module", None),
        ([], SEEING, SEGFAULT, "loading TensorRT crashes (SIGSEGV)", None),
        ([], SEEING, HANGS, "loading TensorRT hangs (no answer within 20 s)", None),
    ],
)
def test_a_tensorrt_that_cannot_be_imported_is_mended_by_its_cause(tmp_path, versions, seen, told, said, command):
    for version in versions:
        bindings(tmp_path, version)
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}, seen=seen), "jetson.tensorrt")
    assert (found.state, found.command) == ("bad", command)
    assert said in found.seen


def test_cuda_python_is_installed_in_the_release_of_cuda(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda error": NO_CUDA})
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}), "jetson.cuda-python")
    assert (found.command, found.seen) == ("pip install 'cuda-python==12.*'", NO_CUDA.partition("; ")[0])
    (tmp_path / "usr/local/cuda-11.4").mkdir(parents=True)
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}), "jetson.cuda-python")
    assert found.command == "pip install 'cuda-python==11.*'"


def test_a_gpu_that_cannot_be_had_is_told_with_what_its_driver_says(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda error": "there is no NVIDIA GPU; see `nvidia-smi`"})
    found = jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told})
    gpu = of(found, "jetson.cuda-python")
    assert (gpu.state, gpu.seen, gpu.advice) == ("bad", "there is no NVIDIA GPU", "see `nvidia-smi`")
    assert of(found, "jetson.engine").state == "n/a"


def test_a_pc_gets_tensorrt_from_pip(tmp_path):
    patient = made(trees.pc(tmp_path), tried={"tensorrt": NO_TENSORRT})
    assert jetson.tensorrt(patient).command == "pip install tensorrt"


def for_tensorrt(tmp_path, tiny_onnx, more=""):
    """A profile with TensorRT before LiteRT; its model is a file that is there."""
    (tmp_path / "m.onnx").write_bytes(tiny_onnx())
    first = f'[[interpreter]]\nkind = "tensorrt"\nmodel = "{tmp_path}/m.onnx"\n'
    return f"{first}{more}"


AND_LITERT = '[[interpreter]]\nkind = "litert"\n'
TENSORRT_WELL = {"tensorrt": "10.3.0", "cuda": "Orin"}
UNBUILT = Told(how="well", found={**TENSORRT_WELL, "build 0": "its first use here"})
UPGRADED = Told(how="well", found={**TENSORRT_WELL, "build 0": "tensorrt was 8.6.2 and is 10.3.0"})


@pytest.mark.parametrize(
    ("told", "state", "said"),
    [
        (UNBUILT, "note", "its engine is not built yet, which takes minutes, once"),
        (UPGRADED, "note", "cannot be used (tensorrt was 8.6.2 and is 10.3.0), so that the next start builds it again"),
        (Told(how="well", found=TENSORRT_WELL), "good", "the engine is built and kept"),
        (NO_TENSORRT, "n/a", "without TensorRT and a GPU nothing tells of it"),
    ],
)
def test_an_engine_is_told_with_what_builds_it(tmp_path, tiny_onnx, told, state, said):
    patient = made(
        trees.jetson(tmp_path), for_tensorrt(tmp_path, tiny_onnx), tried={"tensorrt": told}, given="a b.toml"
    )
    found = jetson.engine(patient)
    assert found.state == state and said in found.seen
    assert found.command == ("edge run sample: --limit 1 --profile 'a b.toml'" if state == "note" else None)


def test_without_a_model_nothing_is_said_of_its_engine(tmp_path):
    text = '[[interpreter]]\nkind = "tensorrt"\nmodel = "/nowhere/m.onnx"\n'
    told = {"tensorrt": Told(how="well", found=TENSORRT_WELL)}
    assert jetson.engine(made(trees.jetson(tmp_path), text, tried=told)).seen == "its model is not here yet"


def test_where_no_engine_can_be_kept_each_start_builds_one(plain_user, tiny_onnx, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    patient = made(trees.jetson(plain_user), for_tensorrt(plain_user, tiny_onnx), tried={"tensorrt": UNBUILT})
    assert "each start builds one" in jetson.engine(patient).seen


@pytest.mark.parametrize("told", [UNBUILT, UPGRADED], ids=["unbuilt", "of another version"])
def test_an_examination_never_builds_an_engine(tmp_path, tiny_onnx, told):
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx, AND_LITERT)}')
    report, tried = examined(trees.jetson(tmp_path / "a"), str(profile), tensorrt=told)
    assert report.verdict == "profile p can run: litert-cpu"
    assert "before it: tensorrt: its engine is " in of(report.findings, "run.interpreter").seen
    (asked,) = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [adapter["kind"] for adapter in asked] == ["litert"]
    (orders,) = [json.loads(about) for name, about in tried if name == "tensorrt"]
    assert [order["device"] for order in orders.values()] == [0]
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx)}')
    report, tried = examined(trees.jetson(tmp_path / "b"), str(profile), tensorrt=told)
    assert report.verdict == "profile p cannot run: see run.interpreter"
    assert f"edge run sample: --limit 1 --profile {profile}" in of(report.findings, "run.interpreter").advice
    assert "engine" not in dict(tried)


def test_without_its_library_tensorrt_is_tried_all_the_same_and_tells_why_it_does_not_run(tmp_path, tiny_onnx):
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx, AND_LITERT)}')
    _, tried = examined(trees.jetson(tmp_path / "a"), str(profile), tensorrt=NO_TENSORRT)
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
