"""The interpreter for Edge TPUs, with a stand-in for libedgetpu behind the interface that the real one has."""

import itertools
import json
import re
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import trees

from edge import coral, models, profile
from edge.adapters import check
from edge.engine import Wanted, open_engine, openers
from edge.errors import AdapterError, ConfigError, DeviceError, InferenceError, ModelError
from edge.interpreters import edgetpu
from edge.interpreters.edgetpu import child, place, words
from edge.preprocess import frame_of
from edge.succession import RETURN_S, Succession
from edge.worker import Loss


@pytest.fixture
def board(tmp_path):
    return trees.named(tmp_path / "board", "Raspberry Pi 4 Model B Rev 1.4")


@pytest.fixture
def opened(compiled_file, standin, play, tmp_path):
    """Opens the tiny model on the stand-in, on a board without an Edge TPU unless one is given."""
    made = []

    def open(**options):
        options = {"library": str(standin), "root": tmp_path / "nowhere", **options}
        made.append(edgetpu.open(models.load(compiled_file), **options))
        return made[-1]

    yield open
    for each in made:
        each.close()


@pytest.fixture
def recorded(play, tmp_path):
    """Has the stand-in write down the options that it is given, and reads them."""
    play(f"record {tmp_path / 'options'}")
    path = tmp_path / "options"
    return lambda: [dict(word.split("=") for word in line.split()) for line in path.read_text().splitlines()]


PIXELS = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)


# --- what works


def test_a_compiled_model_runs_in_a_child_on_the_delegate(opened, recorded):
    made = opened()
    for pixels in (PIXELS, PIXELS + 100):
        (scores,) = made.infer(pixels)
        assert (scores == pixels.reshape(1, 12)).all()
    assert (made.backend, made.threads, made.instead_of) == ("edgetpu-:0", None, ())
    assert (made.inputs[0].scale, made.outputs[0].scale) == (1 / 16, 1 / 256)
    assert recorded() == [{"device": ":0"}]


def test_options_reach_the_library_for_the_accelerator_at_a_place_on_the_bus(opened, board, play, caplog):
    """The library counts those without firmware first, so its numbers change with the first use of a stick."""
    trees.usb_coral(board, "1-2", number=7)
    trees.usb_coral(board, "2-1", firmware=False, number=12, speed=480)
    play(f"record {board.root}/options", f"node {board.root}/dev/bus/usb/001/012")
    made = opened(
        root=board.root, device="usb:1", performance="Low", usb_always_dfu=True, usb_max_bulk_in_queue_length=8
    )
    assert (board.root / "options").read_text() == (
        "device=usb:0 Performance=Low Usb.AlwaysDfu=True Usb.MaxBulkInQueueLength=8\n"
    )
    assert made.backend == "edgetpu-usb:1"
    assert [record.message for record in caplog.records] == [
        "usb:1 (2-1) is on a USB 2 port, which slows it down; use a USB 3 port"
    ]


def test_the_library_always_gets_a_number_since_it_ignores_its_other_options_without_one(board):
    assert [edgetpu._with_number(device) for device in ("", "usb", "pci:1")] == [":0", "usb:0", "pci:1"]


def test_several_accelerators_have_a_child_each(opened, recorded, board):
    for number in (0, 1):
        trees.pci_coral(board, number, address=f"0000:0{number + 1}:00.0")
    first, second = (opened(root=board.root, device=f"pci:{number}") for number in (0, 1))
    assert [each["device"] for each in recorded()] == ["pci:0", "pci:1"]
    assert (first.backend, second.backend) == ("edgetpu-pci:0", "edgetpu-pci:1")
    assert first._child.process.pid != second._child.process.pid
    assert (first.infer(PIXELS)[0] == second.infer(PIXELS)[0]).all()


def test_the_real_compiled_model_is_loaded_and_invoked(shared, standin, play):
    file = models.load(shared / "models" / "mobilenet_v2_1.0_224_quant_edgetpu.tflite")
    made = edgetpu.open(file, library=str(standin))
    try:
        assert (made.inputs[0].shape, made.outputs[0].shape) == ((1, 224, 224, 3), (1, 1001))
        pixels = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), np.uint8)
        assert (made.infer(pixels)[0] == pixels.ravel()[:1001]).all()
    finally:
        made.close()


# --- what does not, and what runs instead


@pytest.fixture
def order(compiled_file, standin):
    """A profile of the stand-in first and the processor second, as it is written and as it is read."""

    def write(**options):
        lines = "".join(f"{key} = {value}\n" for key, value in options.items())
        first = f'[[interpreter]]\nkind = "edgetpu"\nmodel = "{compiled_file}"\nlibrary = "{standin}"\n'
        text = f'name = "p"\n{first}{lines}[[interpreter]]\nkind = "litert"\nthreads = 1\n'
        path = compiled_file.with_name("p.toml")
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["absent"], r"edgetpu: no Edge TPU was found, neither on USB .*; plug it in"),
        (
            ["say W usb: odd", "crash-load"],
            r"libedgetpu crashes here: SIGSEGV while it loaded: W usb: odd.* newer runtimes",
        ),
        (["crash 1"], r"edgetpu: libedgetpu crashes here: SIGSEGV at its first inference.*newer runtimes"),
        (["hang-load"], r"edgetpu: :0: no answer within 0\.1 s while it loaded; plug it in anew, or give it longer"),
        (["abort 1"], r"the device was lost, or another process uses it: SIGABRT at its first .*error 5"),
    ],
)
def test_where_it_cannot_be_opened_the_next_of_the_order_runs_and_says_why(order, play, lines, said):
    play(*lines)
    path = order(load_limit_s=0.1 if "hang-load" in lines else 60.0)
    engine = open_engine(profile.load(path))
    try:
        assert engine.interpreter.backend == "litert-cpu"
        (reason,) = engine.instead_of
        assert re.search(said, reason) and "\n" not in reason
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "lose 3",
            r"edgetpu: :0: it fails when it runs: stand-in: the device is gone \(inference 3\).*; the device was lost",
        ),
        ("crash 3", r"edgetpu: :0: libedgetpu crashed: SIGSEGV while it ran.*; see to its cable"),
        ("abort 3", r"edgetpu: :0: the device was lost, .*: SIGABRT while it ran: F driver/usb.* transfer error 5"),
        ("hang 3", r"edgetpu: :0: no answer within 1 s while it ran; plug it in anew"),
    ],
)
def test_where_it_is_lost_in_mid_run_the_next_of_the_order_answers_the_frame_and_says_why(
    order, play, compiled_file, line, said
):
    play(line)
    chosen = profile.load(order(limit_s=1.0 if "hang" in line else 60.0))
    clock = itertools.count(0, 5).__next__  # so that it is opened again as seldom as can be
    running = Succession(openers(chosen, Wanted()), clock=clock, wait=lambda seconds: seconds >= 0.7 * RETURN_S)
    try:
        frame = frame_of(np.zeros((4, 4, 3), np.uint8), 0)
        results = []
        for _ in range(2):
            prepared = running.prepare(frame)
            results.append(running.answer(frame, prepared))
            compiled_file.unlink(missing_ok=True)  # so that it cannot be opened again
        assert [result.backend for result in results] == ["edgetpu-:0", "litert-cpu"]
        assert results[0].instead_of == ()
        (reason,) = results[1].instead_of
        assert re.search(said, reason)
    finally:
        running.close()


def test_the_command_runs_it_by_a_profile(cli, order, play):
    ran = cli("run", "sample:", "--profile", order(performance='"Low"'), "--limit", 2, "--json")
    assert ran.code == 0
    assert [json.loads(line)["backend"] for line in ran.out.splitlines()] == ["edgetpu-:0"] * 2


def test_the_command_ends_with_one_line_where_the_profile_has_no_other(cli, order, play):
    play("absent")
    path = order()
    path.write_text(path.read_text().partition('[[interpreter]]\nkind = "litert"')[0])
    ran = cli("run", "sample:", "--profile", path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith("edge: edgetpu: no Edge TPU was found")


def test_an_accelerator_that_has_gone_from_the_bus_is_told_as_such(opened, play, board):
    trees.pci_coral(board)
    play("crash 2")
    made = opened(root=board.root)
    (board.root / "sys/class/apex/apex_0").unlink()
    board.put("sys/bus/pci/devices/0000:01:00.0/vendor", "0x0000")
    with pytest.raises(InferenceError, match=r"edgetpu: pci:0 \(apex_0\) has gone: SIGSEGV while it ran.*; see to"):
        made.infer(PIXELS)


def test_another_library_is_told_as_such():
    said = "/lib/libc.so.6: undefined symbol: tflite_plugin_create_delegate"
    assert "libc.so.6 is another library (" in str(words.library("libc.so.6", said))
    needs = words.library("libedgetpu.so.1", "libusb-1.0.so.0: cannot open shared object file: No such file")
    assert "libedgetpu.so.1 needs libusb-1.0.so.0, which is not there; install the package" in str(needs)


def test_a_model_that_was_not_compiled_is_refused_since_it_would_run_on_the_processor(tiny_file, tiny_onnx, tmp_path):
    with pytest.raises(ModelError, match=r"not compiled for the Edge TPU, so it would run on the processor; pull one"):
        edgetpu.open(models.load(tiny_file))
    (tmp_path / "m.onnx").write_bytes(tiny_onnx())
    with pytest.raises(ModelError, match=r"an Edge TPU takes a \.tflite that was compiled for it; pull one"):
        edgetpu.open(models.load(tmp_path / "m.onnx"))


def test_a_model_for_a_newer_library_is_told_as_such():
    told = words.not_taken("model m", "Package requires runtime version (14), which is newer than this (13)")
    assert isinstance(told, ModelError) and "--min_runtime_version" in str(told)


def test_without_an_accelerator_no_process_is_started_and_nothing_is_guessed(compiled_file, board):
    with pytest.raises(DeviceError, match=r"neither on USB .* nor on PCI"):
        edgetpu.open(models.load(compiled_file), root=board.root)


@pytest.mark.parametrize("device", ["usb:", "usb0", "pcie", "usb:-1", "0", "gpu"])
def test_a_device_that_cannot_be_is_refused_in_the_profile(device):
    with pytest.raises(ConfigError, match=r"here\.device"):
        check("interpreters", "edgetpu", {"device": device}, "here.")


@pytest.mark.parametrize("device", ["", "usb", "pci", ":1", "usb:0", "pci:12"])
def test_a_device_may_be_a_bus_a_number_or_both(device):
    assert check("interpreters", "edgetpu", {"device": device}, "") == {"device": device}


def test_an_option_of_usb_is_refused_on_pci(opened, board):
    with pytest.raises(
        ConfigError, match=r"Usb\.AlwaysDfu is an option of USB, and the device is on PCI; leave it out"
    ):
        opened(device="pci:0", usb_always_dfu=False)
    trees.pci_coral(board)
    with pytest.raises(ConfigError, match=r"Usb\.AlwaysDfu"):
        opened(root=board.root, usb_always_dfu=False)


# --- which one, and what is against it, as the kernel shows it


@pytest.fixture
def chosen(board):
    return lambda device: place.choose(device, coral.found(board.root), board.root)


def test_where_several_fit_the_first_that_can_be_used_and_is_free_is_taken(board, chosen):
    trees.usb_coral(board, "1-2", number=7)
    trees.usb_coral(board, "2-1", number=12)
    trees.pci_coral(board, degrees=-89.7)
    assert [chosen(device).place for device in ("", "usb", "usb:1", ":1", "pci")] == [
        "1-2",
        "1-2",
        "2-1",
        "2-1",
        "apex_0",
    ]
    holder = board.root / "proc/4242/fd"
    holder.mkdir(parents=True)
    (holder / "5").symlink_to(board.root / "dev/bus/usb/001/007")
    assert chosen("").place == "2-1"
    assert chosen("usb:0").place == "1-2"


def test_one_that_is_not_there_is_told_with_those_that_are(board, chosen):
    assert chosen("usb:1") is None
    trees.usb_coral(board, "1-2")
    for device in ("usb:1", "pci", ":4"):
        with pytest.raises(DeviceError, match=rf"there is no {device}, but usb:0 \(1-2\); name that"):
            chosen(device)


def test_a_chip_without_a_driver_does_not_count_for_the_library(board):
    trees.pci_coral(board, 0)
    trees.pci_coral(board, driver=False, address="0000:02:00.0")
    driven, bare = coral.found(board.root)
    assert place.for_library(driven, [bare, driven]) == "pci:0"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda board: trees.pci_coral(board, driver=False),
            r"pci:0 \(0000:01:00\.0\): its driver .*; take gask",
        ),
        (
            lambda board: trees.pci_coral(board, degrees=-89.7),
            r"pci:0 \(apex_0\): it has fallen off .* power was",
        ),
    ],
)
def test_what_the_kernel_shows_against_it_is_told_before_a_process_is_started(board, opened, make, said):
    make(board)
    with pytest.raises(DeviceError, match=said):
        opened(root=board.root)


def test_a_device_that_is_none_is_refused_with_what_may_be_given():
    with pytest.raises(ConfigError, match=r"^here: device: .gpu. is none; give one like .usb., .pci., .usb:0., .:0.; "):
        check("interpreters", "edgetpu", {"device": "gpu"}, "here: ")


def test_a_missing_permission_is_told_with_the_group_that_has_it(board):
    trees.usb_coral(board)
    trees.pci_coral(board)
    usb, pci = (msgspec.structs.replace(tpu, permitted=False) for tpu in coral.found(board.root))
    what, advice = coral.trouble(usb)
    assert what == "this user may not open /dev/bus/usb/001/007"
    assert str(advice).endswith("the rule which libedgetpu1-std brings: `sudo usermod -aG plugdev $USER`")
    assert coral.trouble(pci)[1].command == "sudo usermod -aG apex $USER"
    assert coral.trouble(msgspec.structs.replace(usb, permitted=True)) is None


def test_a_library_that_gives_no_reason_is_quoted_with_none(board):
    trees.usb_coral(board)
    (tpu,) = found = coral.found(board.root)
    told = str(words.refused(tpu, found, "", board.root))
    assert "usb:0 (1-2) cannot be opened (libedgetpu does not say why); end what else" in told
    assert "opens none of usb:0 (1-2)" in str(words.refused(None, found, "", board.root))
    assert str(words.refused(None, [], "odd", board.root)).endswith("(libedgetpu: odd)")


@pytest.mark.parametrize(
    ("phase", "how", "said", "degrees", "kind", "words_of_it"),
    [
        ("run", "SIGKILL", "", 52.8, InferenceError, "SIGKILL while it ran, as the kernel does where memory runs out"),
        (
            "run",
            "SIGABRT",
            "F usb",
            -89.7,
            InferenceError,
            "pci:0: it has fallen off the bus \\(SIGABRT while it ran",
        ),
        (
            "load",
            "SIGABRT",
            "F no",
            52.8,
            AdapterError,
            "libedgetpu crashes here: SIGABRT while it loaded: F no; it does",
        ),
    ],
)
def test_a_loss_is_told_by_its_signal_and_by_what_the_kernel_shows(board, phase, how, said, degrees, kind, words_of_it):
    trees.pci_coral(board, degrees=degrees)
    (tpu,) = found = coral.found(board.root)
    with pytest.raises(kind, match=words_of_it):
        raise words.lost(Loss(phase=phase, how=how, limit_s=1.0, said=said), "pci:0", found, tpu)


# --- the child's part, in this process


def wanted(standin, **changes):
    made = child.Wanted(
        library=str(standin), options={"device": ":0"}, device=":0", tpu=None, name="model m", root="/x"
    )
    return msgspec.json.encode(msgspec.structs.replace(made, **changes)).decode()


def test_the_child_loads_the_model_with_the_delegate(standin, play, compiled_file):
    loaded = child.load(compiled_file.read_bytes(), wanted(standin))
    assert (loaded.infer(PIXELS)[0] == PIXELS.reshape(1, 12)).all()
    assert loaded.backend == "edgetpu-:0"
    loaded.close()


unraisable = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""What fails to load fails again in LiteRT's destructor of it; a child holds that back."""


@unraisable
@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("libnowhere.so.1", r"edgetpu: libnowhere\.so\.1 is not installed; take libedgetpu1-std_.* newer runtimes"),
        ("libc.so.6", r"edgetpu: libc\.so\.6 is another library \(.*tflite_plugin.*\); give libedgetpu\.so\.1"),
        ("empty.so", r"empty\.so does not fit this machine \(.*file too short\); take libedgetpu1-std"),
    ],
)
def test_the_child_says_why_the_library_cannot_be_loaded(tmp_path, compiled_file, library, said):
    (tmp_path / "empty.so").touch()
    with pytest.raises(AdapterError, match=said):
        child.load(compiled_file.read_bytes(), wanted(tmp_path / library if library == "empty.so" else library))


@unraisable
def test_the_child_says_that_no_delegate_was_made_and_who_holds_the_device(standin, play, compiled_file, board):
    play("absent")
    with pytest.raises(DeviceError, match="no Edge TPU was found"):
        child.load(compiled_file.read_bytes(), wanted(standin))
    trees.usb_coral(board)
    for number, name in ((77, "python3"), (9, "sh")):
        board.put(f"proc/{number}/comm", name)
        (board.root / f"proc/{number}/fd").mkdir()
        (board.root / f"proc/{number}/fd/3").symlink_to(board.root / "dev/bus/usb/001/007")
    (board.root / "proc/77/comm").unlink()
    (board.root / "proc/5/fd").mkdir(parents=True)
    (board.root / "proc/5/fd/1").write_text("no link")
    (board.root / "proc/6").mkdir()
    (tpu,) = coral.found(board.root)
    with pytest.raises(DeviceError, match=r"usb:0 \(1-2\) is in use by sh \(process 9\), .* \(process 77\); end that"):
        child.load(compiled_file.read_bytes(), wanted(standin, tpu=tpu, root=str(board.root)))


def test_the_child_says_that_a_model_is_damaged(standin, play, compiled_file):
    with pytest.raises(ModelError, match=r"model m: it cannot be loaded onto the Edge TPU: .*; it is damaged"):
        child.load(compiled_file.read_bytes()[:300], wanted(standin))


@unraisable
def test_the_child_says_that_no_runtime_works(tmp_path, compiled_file, standin):
    for package in ("ai_edge_litert", "tflite_runtime"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('no wheel here')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from edge.interpreters.edgetpu import child\n"
        f"try: child.load(b'', {wanted(standin)!r})\nexcept ImportError as error: print(error)"
    )
    line = [sys.executable, "-c", code]
    said = subprocess.run(line, capture_output=True, text=True, cwd="/", timeout=60, check=True).stdout
    assert said.startswith("no LiteRT runtime works here (litert-cpu: no wheel here; tflite-cpu: no wheel here)")
