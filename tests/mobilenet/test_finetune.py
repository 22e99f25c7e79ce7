from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from edge.errors import ConfigError, EdgeError, ModelError  # noqa: E402
from edge.mobilenet import begin, checkpoint, data, finetune, report  # noqa: E402
from edge.mobilenet.begin import Options, Show  # noqa: E402
from edge.mobilenet.checkpoint import Checkpoint  # noqa: E402
from edge.mobilenet.finish import Result  # noqa: E402
from edge.mobilenet.fold import INPUT  # noqa: E402
from edge.mobilenet.network import MobileNetV2, to_arrays  # noqa: E402
from edge.mobilenet.work import folder_of, opened  # noqa: E402
from edge.models import card, labels  # noqa: E402

COLOURS = {"blue": (178, 78, 78), "green": (78, 178, 78)}


def picture(rng: np.random.Generator, colour: tuple[int, int, int]) -> np.ndarray:
    return np.clip(rng.normal(0, 60, (40, 50, 3)) + colour, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 pictures each of blue and of green to train with, and 4 to score with."""
    folder = tmp_path_factory.mktemp("pictures") / "colours"
    rng = np.random.default_rng(0)
    for side, count in (("train", 12), ("test", 4)):
        for name, colour in COLOURS.items():
            (folder / side / name).mkdir(parents=True)
            for number in range(count):
                assert cv2.imwrite(str(folder / side / name / f"{number}.png"), picture(rng, colour))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow network with random weights, whose normalisation has seen pictures, so that its features differ."""
    torch.manual_seed(0)
    net = MobileNetV2(3, 0.35)
    with torch.no_grad():
        for _ in range(30):
            net.train()(torch.randn(8, 3, 96, 96))
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    arrays = to_arrays(net.state_dict())
    checkpoint.write(path, Checkpoint(arrays=arrays, labels=("x", "y", "z"), size=96, input=INPUT, license="MIT"))
    return path


class Stopped(Exception):
    """Ends a run in the middle, as a signal would."""


class Watching:
    """Keeps what was said, and ends the run at the ``last``-th step of all that are watched."""

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.steps = 0
        self.said: list[str] = []

    def watch(self, items, title):
        for item in items:
            if self.steps == self.last:
                raise Stopped(title)
            self.steps += 1
            yield item

    @property
    def show(self) -> Show:
        return Show(self.watch, self.said.append)


def trained(options: Options, folder: Path, watching: Watching) -> begin.Made:
    """All but the export, as `edge finetune` does it."""
    begin.steady()
    found = data.read(options.data, options.seed, lambda items, title: items)
    start = begin.start(options, found.labels)
    with opened(folder) as work:
        watching.said.append(str(work.match(begin.key(options, found, start), options.fresh)))
        return finetune.trained(work, start, found, options, watching.show)


def same(one: begin.Made, other: begin.Made) -> bool:
    arrays, others = one.checkpoint.arrays, other.checkpoint.arrays
    alike = one.tuned == other.tuned and one.head == other.head and one.best_epoch == other.best_epoch
    return alike and all(np.array_equal(arrays[name], others[name]) for name in arrays | others)


@pytest.fixture(scope="module")
def options(pictures: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Options:
    out = tmp_path_factory.mktemp("out") / "colours.tflite"
    return Options(data=pictures, out=out, weights=weights, epochs=3, unfreeze=2)


def changed(options: Options, **fields: object) -> Options:
    import msgspec

    return msgspec.structs.replace(options, **fields)


@pytest.fixture(scope="module")
def whole(options: Options, tmp_path_factory: pytest.TempPathFactory) -> begin.Made:
    return trained(options, tmp_path_factory.mktemp("work"), Watching())


def test_a_run_that_is_stopped_again_and_again_ends_with_the_same_numbers(
    options: Options, whole: begin.Made, tmp_path: Path
) -> None:
    for step in range(1, 9):
        watching = Watching(step)
        try:
            made = trained(options, tmp_path / "w", watching)
            break
        except Stopped:
            assert (watching.said[0] == "None") == (step == 1)
    else:
        made = trained(options, tmp_path / "w", Watching())
    assert same(made, whole)


def test_another_seed_gives_other_numbers_and_the_same_seed_the_same(
    options: Options, whole: begin.Made, tmp_path: Path
) -> None:
    assert same(trained(options, tmp_path / "a", Watching()), whole)
    assert not same(trained(changed(options, seed=1), tmp_path / "b", Watching()), whole)


def test_what_was_done_for_other_options_is_forgotten_and_that_is_said(options: Options, tmp_path: Path) -> None:
    trained(options, tmp_path / "w", Watching())
    watching = Watching()
    trained(changed(options, epochs=1), tmp_path / "w", watching)
    assert "starting anew (other epochs)" in watching.said[0]
    watching = Watching()
    trained(changed(options, epochs=1, fresh=True), tmp_path / "w", watching)
    assert "starting anew (as asked)" in watching.said[0]


def test_the_head_alone_is_trained_where_no_block_is_asked_for(
    options: Options, whole: begin.Made, weights: Path, tmp_path: Path
) -> None:
    made = trained(changed(options, unfreeze=0), tmp_path / "w", Watching())
    assert made.head_only is not None and made.ended == "the head alone, as asked"
    before = checkpoint.with_input(checkpoint.read(weights), INPUT).arrays
    moved = {name for name in before if not np.array_equal(before[name], made.checkpoint.arrays[name])}
    assert moved == {"classifier.1.weight", "classifier.1.bias"}


def test_the_blocks_that_are_not_unfrozen_stay_as_they_were_and_the_others_move(
    options: Options, weights: Path, tmp_path: Path
) -> None:
    made = trained(options, tmp_path, Watching())
    before = checkpoint.with_input(checkpoint.read(weights), INPUT).arrays
    moved = {name.split(".")[1] for name in before if not np.array_equal(before[name], made.checkpoint.arrays[name])}
    assert moved <= {"16", "17", "18", "1"}  # the last is the classifier
    tuned = torch.load(tmp_path / "tuning.pt")["net"]
    assert {name.split(".")[1] for name in tuned if name.startswith("blocks.")} == {"16", "17", "18"}
    assert not np.array_equal(tuned["blocks.16.conv.2.weight"].numpy(), before["features.16.conv.2.weight"])


def test_all_blocks_of_learnt_weights_can_be_trained(options: Options, tmp_path: Path) -> None:
    made = trained(changed(options, unfreeze=17, epochs=1), tmp_path / "w", Watching())
    assert made.head is not None and made.checkpoint.is_folded


def test_a_width_without_weights_begins_with_random_numbers_and_normalisation_that_is_folded_at_the_end(
    options: Options, tmp_path: Path
) -> None:
    asked = changed(options, weights=None, width=0.35, resolution=96, unfreeze=None, epochs=2)
    made = trained(asked, tmp_path / "w", Watching())
    assert made.head is None and made.head_only is None
    assert made.checkpoint.is_folded and made.checkpoint.width == 0.35


def test_when_the_time_is_up_the_best_so_far_is_exported(options: Options, tmp_path: Path) -> None:
    made = trained(changed(options, time_limit=1e-9), tmp_path / "w", Watching())
    assert made.ended == "the time was up after 0 epochs" and made.best_epoch == 0


@pytest.fixture(scope="module")
def result(options: Options) -> Result:
    return finetune.finetune(options, Watching().show)


def test_the_model_is_whole_and_says_what_it_is(options: Options, result: Result, pictures: Path, cli) -> None:
    assert labels.embedded(result.model.read_bytes()) == ("blue", "green")
    assert result.card.sha256 == hashlib.sha256(result.model.read_bytes()).hexdigest()
    assert (result.card.classes, result.card.license, result.card.accuracy.images) == (2, "MIT", 8)
    assert result.card.accuracy.top5 is None and result.card.source == "fine-tuned from tiny.pth"
    assert card.read(card.path_beside(result.network)).accuracy.float_top1 is None
    assert not folder_of(options.out).exists()
    text = result.report.read_text()
    for words in ("float, head alone", "blue", "never trained on (colours/test)", "Quantisation: ", "edge run --model"):
        assert words in text
    assert "edge finetune colours -o colours.tflite --epochs 3 --unfreeze 2 --weights tiny.pth" in text
    height, width, _ = cv2.imread(str(result.picture)).shape
    assert height > 300 and width > 300
    ran = cli("eval", "--model", result.model, "--data", pictures / "test", "--against", result.network, "--json")
    assert ran.code == 0 and f'"top1":{result.card.accuracy.top1}' in ran.out


SCRIPT = """
import sys
from edge.cli import main
sys.argv = ["edge", *sys.argv[1:]]
main()
"""


def started(options: Options, out: Path, **extra: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", SCRIPT, "finetune", options.data, "-o", out, "--weights", options.weights]
    line += ["--epochs", "3", "--unfreeze", "2"]
    env = {**os.environ, **extra}
    return subprocess.Popen([*map(str, line)], cwd=out.parent, stderr=subprocess.PIPE, text=True, env=env)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 100
    while not list(path.parent.glob(path.name)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(path.parent.glob(path.name))


def test_killed_while_training_and_while_it_exports_and_started_again_it_ends_with_the_same_bytes(
    options: Options, result: Result, tmp_path: Path
) -> None:
    out = tmp_path / "colours.tflite"
    folder = folder_of(out)
    for sign in ("tuning.pt", "int8-*.tflite"):
        process = started(options, out)
        wait_for(folder / sign, process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not out.exists() and not card.path_beside(out).exists()
    again = finetune.finetune(changed(options, out=out), Watching().show)
    assert again.model.read_bytes() == result.model.read_bytes()
    assert not folder.exists()


def test_an_interrupt_says_in_a_line_how_to_go_on(options: Options, tmp_path: Path) -> None:
    out = tmp_path / "colours.tflite"
    process = started(options, out)
    wait_for(folder_of(out) / "key.json", process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "edge: stopped; give the same command again: it goes on from what is done"


def test_a_full_disk_is_told_in_a_line_and_what_was_done_is_used_when_there_is_room(
    options: Options, whole: begin.Made, tmp_path: Path
) -> None:
    out = tmp_path / "colours.tflite"
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
{SCRIPT}"""
    line = [sys.executable, "-c", code, "finetune", options.data, "-o", out, "--weights", options.weights]
    line += ["--epochs", "3", "--unfreeze", "2"]
    done = subprocess.run([*map(str, line)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "File too large" in last and last.endswith("it goes on from what is done")
    assert [path.name for path in tmp_path.iterdir()] == [folder_of(out).name]
    watching = Watching()
    made = trained(changed(options, out=out), folder_of(out), watching)
    assert watching.said[0].startswith("going on") and same(made, whole)


def test_a_model_never_stands_beside_a_card_that_is_anothers(options: Options, tmp_path: Path) -> None:
    from edge.mobilenet.work import publish

    staged, place = tmp_path / "staged", tmp_path / "place"
    staged.mkdir(), place.mkdir()
    for folder, words in ((staged, "new"), (place, "old")):
        for name in ("m.toml", "m.tflite"):
            (folder / name).write_text(words)
    (place / "m.toml").unlink()
    (place / "m.toml").mkdir()  # so that it cannot land
    with pytest.raises(OSError, match=r"m\.toml"):
        publish(staged, place, ["m.toml", "m.tflite"])
    assert (place / "m.tflite").read_text() == "old" and (staged / "m.tflite").exists()
    (place / "m.toml").rmdir()
    publish(staged, place, ["m.toml", "m.tflite"])
    assert (place / "m.toml").read_text() == (place / "m.tflite").read_text() == "new"


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"out": Path("m.onnx")}, ConfigError, "ends so"),
        ({"width": 0.5}, ConfigError, "are of width 0.35"),
        ({"width": 0.35, "weights": None, "unfreeze": 0}, ConfigError, "random numbers"),
        ({"data": Path("nowhere")}, ConfigError, "no such folder"),
        ({"weights": Path("nowhere.pth")}, ModelError, "nowhere.pth"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    options: Options, tmp_path: Path, fields: dict[str, object], kind: type[EdgeError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        finetune.finetune(changed(options, **{"out": tmp_path / "m.tflite", **fields}), Watching().show)
    assert list(tmp_path.iterdir()) == []


def test_the_official_weights_with_another_hash_are_refused(options: Options, weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mobilenet_v2-b0353104.pth"
    copy.write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match="wanted"):
        finetune.finetune(changed(options, weights=copy), Watching().show)


def test_labels_beside_the_result_that_would_take_the_place_of_the_models_are_refused(
    options: Options, tmp_path: Path
) -> None:
    (tmp_path / "m.txt").write_text("one\ntwo\n")
    with pytest.raises(ConfigError, match="move it away"):
        finetune.finetune(changed(options, out=tmp_path / "m.tflite"), Watching().show)


def test_two_at_the_same_result_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "w"), pytest.raises(ConfigError, match="another fine-tune"), opened(tmp_path / "w"):
        pass


def test_the_command_names_no_folder_of_the_machine() -> None:
    options = Options(data=Path("/home/me/cats dogs"), out=Path("/tmp/x/m.tflite"), seed=3, time_limit=2.5)
    assert report.command(options) == "edge finetune 'cats dogs' -o m.tflite --seed 3 --time-limit 2.5"


def test_the_picture_takes_labels_as_they_are_written(tmp_path: Path) -> None:
    from edge.evaluate import Comparison, Score, Scored
    from edge.mobilenet import report

    score = Score(top1=0.0, top5=0.0, images=1, ms_per_image=1.0, skipped=0)
    labels = ("$x_$ apples", "b$\\q$", "猫")
    scored = Scored(model="m", backend="b", score=score, answers={})
    report.picture(Comparison(models=[scored], against=[], truths={}, labels=labels), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_result_that_cannot_land_leaves_the_old_model(tmp_path: Path) -> None:
    from edge.mobilenet import work

    staged = tmp_path / "staged"
    (tmp_path / "o_report.md").mkdir()
    staged.mkdir()
    for name in ("o_report.md", "o.toml", "o.tflite"):
        (staged / name).write_text("new")
    (tmp_path / "o.tflite").write_text("old")
    with pytest.raises(IsADirectoryError, match="o_report"):
        work.publish(staged, tmp_path, ["o_report.md", "o.toml", "o.tflite"])
    assert (tmp_path / "o.tflite").read_text() == "old"


def test_int8_of_another_state_of_training_is_not_taken_for_this_one() -> None:
    from edge.mobilenet.checkpoint import Checkpoint
    from edge.mobilenet.finish import digest

    one, other = (Checkpoint(arrays={"a": np.full(3, value)}, labels=()) for value in (1.0, 2.0))
    assert digest(one) == digest(one) != digest(other)
