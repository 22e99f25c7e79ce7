import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest

from edge import models
from edge.models import card as cards
from edge.models import catalogue, inventory


def said(ran, code, *words):
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert ran.err.count("\n") == 1 and ran.err.startswith("edge: "), ran.err
    for word in words:
        assert str(word) in ran.err


LABELS = "".join(f"class {letter}\n" for letter in "abcdefghijkl").encode()


@pytest.fixture
def model(tiny) -> bytes:
    """A model that runs, in a file large enough to be cut."""
    return tiny() + bytes(200_000)


@pytest.fixture
def own(server, kit, home, model, tmp_path):
    """A catalogue of the test's own, whose model "tinymodel" lies on the server."""

    def write(*steps, runs_on="cpu", suffix=".tflite", classes=12):
        address = server.on(*(steps or [kit.serve(model)]))
        labels = server.on(kit.serve(LABELS), path="/labels")
        sha256, sha256_of_labels = (hashlib.sha256(data).hexdigest() for data in (model, LABELS))
        (tmp_path / "own.toml").write_text(f"""
[[model]]
name = "tinymodel"
title = "Tiny"
classes = {classes}
license = "MIT"
source = "made in a test"
runs_on = "{runs_on}"
fit = "squash"
accuracy = {{ data = "none", images = 4, top1 = 0.75, top5 = 1.0, date = "2026-01-01" }}
[[model.files]]
suffix = "{suffix}"
size = {len(model)}
sha256 = "{sha256}"
sources = ["{address}"]
[[model.files]]
suffix = ".txt"
size = {len(LABELS)}
sha256 = "{sha256_of_labels}"
sources = ["{labels}"]
""")
        return tmp_path / "own.toml"

    return write


# --- pull


def test_a_model_is_pulled_and_then_runs_by_its_name(cli, home, own, model):
    ran = cli("models", "pull", "tinymodel", "--catalogue", own())
    assert (ran.code, ran.out) == (0, f"{home / 'tinymodel.tflite'}\n")
    assert "edge: run it with `edge run --model tinymodel`\n" in ran.err
    assert (home / "tinymodel.tflite").read_bytes() == model
    ran = cli("run", "sample:", "--model", "tinymodel", "--limit", 1, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["predictions"][0]["label"].startswith("class ")


def test_progress_is_told_in_lines_where_there_is_no_terminal(cli, own, home):
    lines = cli("models", "pull", "tinymodel", "--catalogue", own()).err.splitlines()
    assert sum(bool(re.search(r"tinymodel\.tflite: \d+% of 200,\d+ bytes", line)) for line in lines) == 3


def test_progress_is_a_bar_on_a_terminal(cli, own, home, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    ours, theirs = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=lambda: shown.extend(iter(lambda: read(ours), b"")))
    reader.start()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert cli("models", "pull", "tinymodel", "--catalogue", own()).code == 0
        monkeypatch.undo()
    reader.join(30)
    os.close(ours)
    text = b"".join(shown).decode()
    assert "tinymodel.tflite" in text and "━" in text and "run it with" in text


def read(terminal: int) -> bytes:
    """What a terminal shows; nothing when its other end is closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_another_folder_takes_the_model_and_the_hint_has_its_path(cli, own, home, tmp_path):
    ran = cli("models", "pull", "tinymodel", "--catalogue", own(), "--to", tmp_path / "my models")
    assert ran.out == f"{tmp_path / 'my models' / 'tinymodel.tflite'}\n"
    assert f"`edge run --model '{tmp_path / 'my models' / 'tinymodel.tflite'}'`" in ran.err
    assert not (home / "tinymodel.tflite").exists()


@pytest.mark.parametrize(
    ("runs_on", "words"), [("torch", "edge eval --model tinymodel"), ("edgetpu", "it runs on an Edge TPU only")]
)
def test_what_no_processor_runs_is_said_after_a_pull(cli, own, home, runs_on, words):
    ran = cli("models", "pull", "tinymodel", "--catalogue", own(runs_on=runs_on))
    assert ran.code == 0 and re.search(words, ran.err)


def test_a_name_that_the_catalogue_does_not_have_is_refused(cli, home):
    said(cli("models", "pull", "nano"), 2, "model nano: not in the catalogue, which has: mobilenet_v2_1.0_224_quant,")


def test_a_pull_that_fails_is_one_line_and_exit_code_1(cli, own, kit, home, model):
    ran = cli("models", "pull", "tinymodel", "--catalogue", own(kit.serve(model[::-1])), "--timeout", 5)
    assert (ran.code, ran.out) == (1, "")
    assert "tinymodel.tflite cannot be had: http://127.0.0.1:" in ran.err.splitlines()[-1]


# What a shell starts in the background is born deaf to SIGINT, and hands that on.
HEARS_SIGINT = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('edge', run_name='__main__')"
)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_pull_that_is_interrupted_leaves_a_part_and_goes_on_from_there(
    server, own, kit, home, model, tmp_path, how, code
):
    file = own(kit.stall(model, 100_000), kit.serve(model))
    line = [sys.executable, "-c", HEARS_SIGINT, "models", "pull", "tinymodel", "--catalogue", str(file)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as child:
        assert server.stalled.wait(60)
        part = home / ".parts" / f"{hashlib.sha256(model).hexdigest()}.part"
        arrived = threading.Event()
        while part.stat().st_size < 100_000:
            assert not arrived.wait(0.01) and child.poll() is None
        child.send_signal(how)
        assert child.wait(60) == code
    assert [path.name for path in home.iterdir()] == [".parts"]
    assert part.stat().st_size == 100_000
    ran = subprocess.run(line, capture_output=True, cwd=tmp_path, timeout=60, check=True)
    assert ran.stdout.decode() == f"{home / 'tinymodel.tflite'}\n"
    assert (home / "tinymodel.tflite").read_bytes() == model
    assert [found for found in server.ranges() if found] == ["bytes=100000-"]
    assert list((home / ".parts").iterdir()) == []


# --- list


def test_the_list_has_what_ships_what_was_pulled_and_what_can_be(cli, own, home):
    file = own()
    cli("models", "pull", "tinymodel", "--catalogue", file)
    lines = cli("models", "list").out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines}
    assert [line for line in lines if not line.startswith(" ")] == [
        "shipped", "pulled", "available: edge models pull NAME",
    ]  # fmt: skip
    assert rows["tinymodel"][1:] == ["classify", "12", "cpu", "75.0%", "0.2", "MB", "MIT"]
    assert rows["mobilenet_v2_1.0_224_quant_edgetpu"][1:5] == ["classify", "1001", "edgetpu", "unknown"]
    assert rows["mobilenet_v2-b0353104"][3] == "torch"


def test_the_list_as_json(cli, own, home):
    file = own()
    found = {each["name"]: each for each in json.loads(cli("models", "list", "--json", "--catalogue", file).out)}
    assert set(found) == {*models.shipped(), *catalogue.shipped(), "tinymodel"}
    assert found["tinymodel"]["state"] == "available" and found["tinymodel"]["path"] is None
    assert found[models.DEFAULT]["state"] == "shipped"
    assert found[models.DEFAULT]["top1"] == models.load().card.accuracy.top1
    assert found["mobilenet_v2_1.0_224_inat_bird_quant"]["top1"] is None


def test_a_model_without_a_card_is_listed_with_what_is_known(cli, home, tiny):
    home.mkdir(parents=True)
    (home / "a.tflite").write_bytes(tiny())
    (home / "b.tflite").write_bytes(tiny() + b"edgetpu-custom-op")
    (home / "c.pth").write_bytes(b"x")
    (home / "a.toml").write_text("torn =")
    rows = {line.split()[0]: line.split()[1:5] for line in cli("models", "list").out.splitlines()}
    assert rows["a"] == ["unknown", "unknown", "cpu", "unknown"]
    assert (rows["b"][2], rows["c"][2]) == ("edgetpu", "torch")


def test_odd_things_in_the_store_do_not_end_the_list(cli, home, tiny):
    home.mkdir(parents=True)
    os.mkfifo(home / "fifo.tflite")
    (home / "folder.tflite").mkdir()
    (home / "dangling.tflite").symlink_to(home / "nothing")
    (home / "a.tflite").write_bytes(tiny())
    os.mkfifo(home / "a.toml")
    with (home / "large.tflite").open("wb") as file:
        file.truncate(2 << 30)
    rows = {line.split()[0]: line.split()[1:5] for line in cli("models", "list").out.splitlines()}
    assert rows["a"] == ["unknown", "unknown", "cpu", "unknown"] and rows["large"][2] == "unknown"
    assert not {"fifo", "folder", "dangling"} & set(rows)
    ran = cli("models", "verify", "large", "a")
    assert ran.code == 1 and "large  WRONG    model " in ran.out and "larger than 1 GiB" in ran.out
    assert "a      WRONG    " in ran.out and "a.toml: not a model card: " in ran.out


def test_a_file_in_the_store_that_cannot_be_read_is_listed(cli, plain_user, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(plain_user))
    store = plain_user / "edgekit" / "models"
    store.mkdir(parents=True)
    (store / "m.tflite").touch(0o000)
    assert re.search(r"^  m +unknown +unknown +unknown", cli("models", "list").out, re.MULTILINE)
    store.chmod(0o600)
    assert "pulled" not in cli("models", "list").out


def test_what_a_card_says_does_not_steer_the_terminal(cli, home, tiny):
    home.mkdir(parents=True)
    (home / "a.tflite").write_bytes(tiny())
    (home / "a.toml").write_text('name = "a"\nlicense = "\\u001b[31mMIT\\u009b"\n')
    for ran in (cli("models", "list"), cli("models", "info", "a"), cli("models", "verify", "a")):
        assert ran.code == 0 and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", ran.out)


def test_the_list_loads_nothing_heavy(home):
    code = "import sys, edge.cli; edge.cli.execute(['models', 'list'], False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60, check=True)
    assert not {"cv2", "rich", "urllib.request", "ai_edge_litert", "edge.cli.describe"} & set(done.stdout.split())


# --- info


def rows_of(ran):
    assert ran.code == 0, ran.err
    width = next(i for i, letter in enumerate(ran.out) if letter == " ")
    assert width
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in ran.out.splitlines())


def test_info_says_what_runs_a_model_here(cli, tiny_file):
    assert rows_of(cli("models", "info", tiny_file))["runs here"] == "yes, on litert-cpu"


def test_info_says_that_the_sha256_is_the_catalogues(cli, home, shared):
    path = shared / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    assert rows_of(cli("models", "info", path))["sha256"].endswith("(as the catalogue says)")


def test_info_describes_a_model_for_the_edge_tpu_and_says_why_it_does_not_run_here(cli, shared):
    rows = rows_of(cli("models", "info", shared / "models" / "mobilenet_v2_1.0_224_quant_edgetpu.tflite"))
    assert rows["input"] == "input: 1x224x224x3 uint8, real = 0.0078125 * (q - 128)"
    assert rows["output"] == "MobilenetV2/Predictions/Softmax: 1x1001 uint8, real = 0.00390625 * (q - 0)"
    assert rows["runs here"].startswith("no: on an Edge TPU only; edgetpu: no Edge TPU was found")


def test_info_describes_what_no_interpreter_takes_from_the_file_itself(cli, tiny, tmp_path):
    (tmp_path / "m.tflite").write_bytes(tiny() + b"edgetpu-custom-op")
    rows = rows_of(cli("models", "info", tmp_path / "m.tflite"))
    assert rows["input"] == "tensor0: 1x2x2x3 uint8, real = 0.0625 * (q - 0)"
    assert rows["output"] == "tensor2: 1x12 uint8, real = 0.00390625 * (q - 0)"
    assert rows["runs here"].startswith("no: ")


def test_info_describes_a_damaged_model_as_far_as_it_can_be_read(cli, tiny, tmp_path):
    (tmp_path / "torn.tflite").write_bytes(tiny()[:200])
    rows = rows_of(cli("models", "info", tmp_path / "torn.tflite"))
    assert rows["runs here"].startswith("no: ") and "input" not in rows


def test_info_describes_a_file_that_is_no_tflite(cli, shared):
    rows = rows_of(cli("models", "info", shared / "models" / "mobilenet_v2_1.0_224_int8_per_tensor.onnx"))
    assert rows["sha256"] and rows["runs here"]


def test_info_of_a_checkpoint_says_that_labels_and_card_are_inside_where_nothing_here_reads_them(cli, tmp_path):
    (tmp_path / "m.pth").write_bytes(b"PK\x03\x04 data.pkl")
    rows = rows_of(cli("models", "info", tmp_path / "m.pth"))
    assert rows["labels"] == rows["card"] == "where it has some, inside: reading those takes the extra `train`"


def test_info_refuses_a_file_that_its_card_does_not_describe(cli, tiny_file):
    tiny_file.with_suffix(".toml").write_text('name = "x"\nsha256 = "00"\n')
    said(cli("models", "info", tiny_file), 2, "the file is not the one that its card tiny.toml describes")


# --- verify


def test_verify_finds_what_ships_and_what_was_pulled_right(cli, own, home):
    file = own()
    cli("models", "pull", "tinymodel", "--catalogue", file)
    ran = cli("models", "verify", "--catalogue", file)
    assert ran.code == 0
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in ran.out.splitlines()}
    assert lines["tinymodel"] == "right    sha256 as card and catalogue say, 12 labels"
    assert lines[models.DEFAULT].startswith("right    sha256 as card says, 1000 labels")


def lost_card(home):
    (home / "tinymodel.toml").unlink()


def torn_card(home):
    (home / "tinymodel.toml").write_text("torn =")


def other_model(home):
    with (home / "tinymodel.tflite").open("ab") as file:
        file.write(b"!")


def lost_labels(home):
    (home / "tinymodel.txt").unlink()


def other_labels(home):
    (home / "tinymodel.txt").write_text("one\ntwo\n")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lost_card, "its card tinymodel.toml is missing; pull it again"),
        (torn_card, "tinymodel.toml: not a model card"),
        (other_model, "of its card; pull it again; its sha256 .*of the catalogue; pull it again"),
        (lost_labels, "its labels tinymodel.txt are missing; pull it again"),
        (other_labels, "not those of the catalogue; pull it again; 2 labels for 12 classes"),
    ],
)
def test_verify_tells_what_is_wrong_and_a_new_pull_mends_it(cli, own, home, harm, words):
    file = own()
    cli("models", "pull", "tinymodel", "--catalogue", file)
    harm(home)
    ran = cli("models", "verify", "tinymodel", "--catalogue", file)
    assert ran.code == 1
    assert ran.out.count("\n") == 1
    assert re.match(rf"tinymodel  WRONG    .*{words}", ran.out)
    assert cli("models", "pull", "tinymodel", "--catalogue", file).code == 0
    assert cli("models", "verify", "tinymodel", "--catalogue", file).code == 0


def test_verify_as_json(cli, own, home, tiny_file, model):
    ran = cli("models", "verify", tiny_file, "tinymodel", "mobilenet_v2_1.0_224_quant", "--json", "--catalogue", own())
    assert ran.code == 1
    found = json.loads(ran.out)
    assert [each["right"] for each in found] == [None, False, False]
    assert found[0]["sha256"] == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert "nothing to check it against" in found[0]["words"]
    assert "edge models pull mobilenet_v2_1.0_224_quant" in found[2]["words"]


def test_verify_knows_a_file_of_the_catalogue_by_its_bytes(cli, home, shared, tmp_path):
    data = (shared / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite").read_bytes()
    (tmp_path / "renamed.tflite").write_bytes(data)
    ran = cli("models", "verify", tmp_path / "renamed.tflite")
    assert (ran.code, ran.out) == (0, "renamed  right    sha256 as catalogue says, 1001 labels\n")
    (tmp_path / "renamed.txt").write_text("one\ntwo\n")
    ran = cli("models", "verify", tmp_path / "renamed.tflite")
    assert ran.code == 1 and "2 labels for 1001 classes" in ran.out


def test_verify_does_not_take_labels_that_cannot_be_read_for_right(cli, tiny_file):
    sha256 = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    tiny_file.with_suffix(".toml").write_text(f'name = "x"\nclasses = 12\nsha256 = "{sha256}"\n')
    assert cli("models", "verify", tiny_file).code == 0
    tiny_file.with_suffix(".txt").write_bytes(b"\0")
    ran = cli("models", "verify", tiny_file)
    assert ran.code == 1 and "not a list of labels" in ran.out


def test_verify_says_that_a_folder_is_no_model(cli, tmp_path):
    ran = cli("models", "verify", tmp_path)
    assert ran.code == 1 and "Is a directory" in ran.out


def test_verify_counts_labels_inside_an_onnx_file_and_leaves_those_of_a_checkpoint_out(cli, tmp_path, tiny_onnx):
    for name, data in (("a.onnx", tiny_onnx(labels="x\ny")), ("b.pth", b"PK\x03\x04 data.pkl"), ("c.tflite", b"x")):
        (tmp_path / name).write_bytes(data)
        card = f'name = "x"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        (tmp_path / name).with_suffix(".toml").write_text(card)
    ran = cli("models", "verify", tmp_path / "a.onnx", tmp_path / "b.pth", tmp_path / "c.tflite")
    assert ran.out.splitlines() == [
        "a  right    sha256 as card says, 2 labels",
        "b  right    sha256 as card says",
        "c  right    sha256 as card says, no labels",
    ]


def test_verify_does_not_hold_the_card_of_another_file_of_its_name_against_a_model(cli, tmp_path, tiny, tiny_onnx):
    (tmp_path / "m.tflite").write_bytes(tiny())
    (tmp_path / "m.onnx").write_bytes(tiny_onnx())
    (tmp_path / "m.toml").write_text(f'name = "m"\nsha256 = "{hashlib.sha256(tiny()).hexdigest()}"\n')
    ran = cli("models", "verify", tmp_path / "m.onnx", tmp_path / "m.tflite")
    assert ran.code == 0 and ran.out.startswith("m  unknown  nothing to check it against")
    (tmp_path / "m.tflite").unlink()
    ran = cli("models", "verify", tmp_path / "m.onnx")
    assert ran.code == 1 and "is not the " in ran.out


def test_verify_looks_once_at_each_name(cli, home, tiny):
    home.mkdir(parents=True)
    (home / f"{models.DEFAULT}.tflite").write_bytes(tiny())
    assert len(cli("models", "verify").out.splitlines()) == len(models.shipped())


def test_verify_says_that_labels_in_the_store_may_not_be_read(plain_user, kit, monkeypatch, tiny):
    monkeypatch.setenv("XDG_DATA_HOME", str(plain_user))
    entry = kit.entry(kit.pinned(tiny(), "http://localhost/m"), kit.pinned(LABELS, "http://localhost/l", suffix=".txt"))
    store = plain_user / "edgekit" / "models"
    store.mkdir(parents=True)
    (store / "m.tflite").write_bytes(tiny())
    cards.save(entry.card(), store / "m.toml")
    (store / "m.txt").write_bytes(LABELS)
    assert inventory.verify("m", {"m": entry}).right is True
    (store / "m.txt").chmod(0)
    assert "m.txt: Permission denied" in inventory.verify("m", {"m": entry}).words


@pytest.mark.parametrize("seconds", ["nan", "0", "inf"])
def test_seconds_that_are_none_are_refused(cli, home, seconds):
    ran = cli("models", "pull", "mobilenet_v2_1.0_224_quant", "--timeout", seconds)
    said(ran, 2, "Invalid value for '--timeout'")


# --- the group


def test_the_help_of_the_group_lists_describe_with_the_others(cli):
    ran = cli("models", "--help")
    for name in ("describe", "info", "list", "pull", "verify"):
        assert re.search(rf"^  {name} ", ran.out, re.MULTILINE)
    assert cli("models", "describe", "--help").code == 0
