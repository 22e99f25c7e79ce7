from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from torch import nn  # noqa: E402

from edge.mobilenet import augment, report, train  # noqa: E402
from edge.mobilenet.features import MOST_VIEWS, views_for  # noqa: E402
from edge.mobilenet.train import Schedule, Tuned, Tuning  # noqa: E402


class Points:
    """Stands where a bank of features does: vectors, as maps of 1 x 1."""

    def __init__(self, maps: torch.Tensor, labels: torch.Tensor) -> None:
        self.maps, self.labels = maps, labels

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows, rng):
        return self.maps[torch.from_numpy(rows), :, None, None]

    def pooled(self):
        return [(self.maps, self.labels)]


def points(count: int, seed: int, shares: tuple[float, float] = (0.5, 0.5), apart: float = 1.0) -> Points:
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.choice(2, count, p=shares))
    return Points(torch.from_numpy(rng.normal(0, 1, (count, 4)).astype(np.float32)) + apart * labels[:, None], labels)


def tuning(held_back: Points, schedule: Schedule) -> Tuning:
    torch.manual_seed(0)
    net = Tuned(nn.Sequential(nn.Conv2d(4, 4, 1)), nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 2)))
    return Tuning(net, points(64, 1), held_back, schedule)


def plain(items, title):
    return items


def test_each_class_weighs_as_much_as_any_other() -> None:
    weights = train.class_weights(torch.tensor([0] * 30 + [1] * 10), 2)
    assert weights.tolist() == pytest.approx([40 / 60, 2.0])
    assert 30 * weights[0] == pytest.approx(float(10 * weights[1]))


def test_the_head_finds_a_rare_class() -> None:
    train_side, held_back, others = (points(400, seed, (0.95, 0.05), 1.5) for seed in (1, 2, 3))
    head, found = train.fit_head(train_side, held_back, 2, plain)
    said = head(others.maps).argmax(1)
    assert float((said[others.labels == 1] == 1).float().mean()) > 0.7
    assert found.accuracy > 0.7


def test_tuning_ends_when_the_held_back_pictures_gain_nothing() -> None:
    against = points(64, 2)
    against.labels = 1 - against.labels  # the more is learnt, the worse it does here
    run = tuning(against, Schedule(epochs=50, rate=0.05, decay=0.0, patience=3, seed=0))
    while not run.is_over:
        run.run(plain)
    assert run.epoch < 20 and run.epoch == run.best[2] + 3


def test_the_best_state_is_that_of_least_loss() -> None:
    run = tuning(points(64, 2), Schedule(epochs=6, rate=0.05, decay=0.0, patience=9, seed=0))
    first = run.best[1].loss
    while not run.is_over:
        run.run(plain)
    assert run.epoch == 6
    assert run.best[1].loss == min(first, *(loss for _, loss, _ in run.history)) < first


def test_a_restored_state_goes_on_to_the_same_end() -> None:
    schedule = Schedule(epochs=4, rate=0.05, decay=0.01, patience=9, seed=5)
    whole, half, rest = (tuning(points(64, 2), schedule) for _ in range(3))
    for run in (whole, whole, whole, whole, half, half):
        run.run(plain)
    rest.restore(half.state())
    rest.run(plain), rest.run(plain)
    assert rest.history == whole.history
    states = zip(rest.average.state_dict().values(), whole.average.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in states)


def test_views_are_of_the_same_size_the_first_is_the_picture_and_the_second_its_mirror_image() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    found = augment.views(picture, 5, np.random.default_rng(1))
    assert np.array_equal(found[0], picture) and np.array_equal(found[1], picture[:, ::-1])
    assert {(view.shape, view.dtype) for view in found} == {((20, 20, 3), np.dtype(np.uint8))}
    assert not np.array_equal(found[2], found[3])
    again = augment.views(picture, 5, np.random.default_rng(1))
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))


@pytest.mark.parametrize(("pictures", "views"), [(20, MOST_VIEWS), (2500, 2), (100_000, 2)])
def test_of_many_pictures_fewer_views_are_made(pictures: int, views: int) -> None:
    assert views_for(pictures) == views


def test_a_matrix_of_many_classes_is_told_by_its_commonest_confusions() -> None:
    matrix = np.eye(30, dtype=np.int64) * 5
    matrix[3, 7], matrix[2, 1] = 4, 2
    text = report.matrix_text(matrix, [f"c{n}" for n in range(30)])
    lines = text.splitlines()
    assert lines[-2:] == ["| c3 | c7 | 4 |", "| c2 | c1 | 2 |"]
    assert "The commonest, of 30 classes" in text
