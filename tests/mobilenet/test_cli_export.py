"""`edge export` as a user calls it."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from edge import models  # noqa: E402
from edge.errors import ConfigError  # noqa: E402
from edge.mobilenet import checkpoint as checkpoints  # noqa: E402
from edge.mobilenet import export, network  # noqa: E402
from edge.mobilenet.checkpoint import Checkpoint  # noqa: E402
from edge.models import card as cards  # noqa: E402
from edge.models import onnx  # noqa: E402

Cli = Callable[..., Any]
LABELS = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    arrays = network.to_arrays(network.MobileNetV2(classes=3, width=0.35).state_dict())
    path = tmp_path_factory.mktemp("source") / "small.pth"
    checkpoints.write(path, Checkpoint(arrays=arrays, labels=LABELS, size=96, name="small"))
    return path


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(9):
        picture = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (120, 100))
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def int8(source: Path, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("int8") / "small.tflite"
    order = export.Order(str(source), out, calibration=photographs)
    export.export(order, lambda items, title: items, lambda line: None)
    return out


def test_int8_comes_with_labels_inside_and_a_card_that_describes_it(int8: Path) -> None:
    file = models.load(int8)
    assert file.labels == LABELS
    assert file.card is not None and file.card.sha256 == file.sha256
    assert (file.card.name, file.card.classes, file.card.fit) == ("small, int8", 3, "crop")
    assert file.card.made_by == "edge export small.pth -o small.tflite --calibration photographs0"


def test_every_form_comes_of_one_network_and_is_scored_in_one_command(
    cli: Cli, source: Path, int8: Path, photographs: Path, tmp_path: Path
) -> None:
    others = [tmp_path / name for name in ("float.tflite", "float.onnx", "qdq.onnx")]
    for out, given in zip(others, (source, source, int8), strict=True):
        kind = ("--type", "float") if given == source else ()
        ran = cli("export", given, "-o", out, *kind)
        assert (ran.code, ran.err) == (0, ""), ran.err
    rows = "".join(f"{photographs}/{number}.png,{number % 3}\n" for number in range(9))
    (tmp_path / "labels.csv").write_text("file,class_index\n" + rows)
    against = [word for other in (*others, int8) for word in ("--against", other)]
    ran = cli("eval", "--data", tmp_path / "labels.csv", "--model", source, *against, "--json")
    assert ran.code == 0, ran.err
    import json

    found = json.loads(ran.out)
    assert [each["largest_difference"] < 1e-4 for each in found["against"]] == [True, True, False, False]
    assert len({each["backend"] for each in found["models"]}) == 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("-o", "x.tflite"), "--calibration"),
        (("-o", "x.tflite", "--type", "float", "--qat"), "--qat would change nothing"),
        (("-o", "x.onnx", "--type", "float", "--input", "int8"), "--input would change nothing"),
        (("-o", "x.tflite", "--type", "float", "--layout", "nhwc"), "--layout would change nothing"),
        (("-o", "x.tflite", "--calibration", "nowhere"), "no pictures there"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(
    cli: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("export", source, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert word in ran.err and ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_options_without_a_meaning_for_an_int8_source_are_refused(cli: Cli, int8: Path, tmp_path: Path) -> None:
    ran = cli("export", int8, "-o", tmp_path / "x.tflite", "--calibration", tmp_path, "--qat")
    assert ran.code == 2 and "--calibration and --qat would change nothing" in ran.err
    ran = cli("export", int8, "-o", tmp_path / "x.tflite", "--type", "float")
    assert ran.code == 2 and "comes from a checkpoint" in ran.err


def test_pictures_that_cannot_be_read_are_named_and_left_out(source: Path, photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    said: list[str] = []
    found = export.all_pixels([tmp_path / "broken.jpg", photographs / "1.png"], 96, "crop", said.append)
    assert len(found) == 1 and said == ["1 of 2 pictures cannot be read: broken.jpg"]
    with pytest.raises(ConfigError, match="none of its pictures can be read"):
        export.all_pixels([tmp_path / "broken.jpg"], 96, "crop", said.append)


def test_one_black_picture_is_no_calibration(cli: Cli, source: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((96, 96, 3), np.uint8))
    ran = cli("export", source, "-o", tmp_path / "x.tflite", "--calibration", tmp_path)
    assert ran.code == 2 and "none of which shows anything" in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "x.tflite").exists()


def test_a_damaged_or_foreign_tflite_is_no_source(cli: Cli, int8: Path, shared: Path, tmp_path: Path) -> None:
    data = int8.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(data[: len(data) // 2])
    (tmp_path / "head.tflite").write_bytes(b"\0\0\0\0TFL3" + bytes(40))
    foreign = shared / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    for given in (tmp_path / "cut.tflite", tmp_path / "head.tflite", foreign):
        for out in (tmp_path / "out.tflite", tmp_path / "out.onnx"):
            ran = cli("export", given, "-o", out)
            assert ran.code == 2 and ran.err.count("\n") == 1 and str(given) in ran.err, ran.err
            assert not out.exists()


def test_labels_that_do_not_fit_the_source_are_refused(cli: Cli, int8: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(int8.read_bytes())
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    ran = cli("export", tmp_path / "a.tflite", "-o", tmp_path / "b.onnx")
    assert ran.code == 2 and "2 labels for 3 classes" in ran.err
    assert not (tmp_path / "b.onnx").exists()


def test_an_old_list_of_labels_beside_the_result_must_not_count(cli: Cli, int8: Path, tmp_path: Path) -> None:
    (tmp_path / "o.txt").write_text("x\ny\nz\n")
    ran = cli("export", int8, "-o", tmp_path / "o.tflite")
    assert ran.code == 2 and "o.txt would count" in ran.err and not (tmp_path / "o.tflite").exists()
    (tmp_path / "o.txt").write_text("".join(f"{label}\n" for label in LABELS))
    assert cli("export", int8, "-o", tmp_path / "o.tflite").code == 0


def test_a_disk_that_is_full_leaves_what_was_there(int8: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.tflite"
    out.write_bytes(int8.read_bytes())
    cards.path_beside(out).write_text('name = "mine"\n')

    line = [sys.executable, "-m", "edge", "export", str(int8), "-o", str(out)]
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 100; exec {shlex.join(line)}"],
        cwd=os.environ["XDG_CACHE_HOME"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and os.strerror(errno.EFBIG) in done.stderr and done.stderr.count("\n") == 1
    assert out.read_bytes() == int8.read_bytes()
    assert cards.path_beside(out).read_text() == 'name = "mine"\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tflite", "a.toml"]


def test_the_form_for_tensorrt_is_put_where_the_profiles_for_jetson_look_for_it(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    ran = cli("export", models.DEFAULT, "--store")
    assert ran.code == 0, ran.err
    made = models.find(f"{models.DEFAULT}{models.QDQ}")
    assert made == tmp_path / f"edgekit/models/{models.DEFAULT}{models.QDQ}.onnx"
    assert onnx.grids(made.read_bytes()) is onnx.Grids.SYMMETRIC
    card = cards.read(cards.path_beside(made))
    assert (card.name, card.task, card.classes, card.license) == (made.stem, "classify", 1000, "BSD-3-Clause")
    assert models.load(made.stem).card is not None and card.sha256 == models.load(made.stem).sha256
