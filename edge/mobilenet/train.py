"""Fit a classifier to pictures: first a linear head on frozen features, then the last blocks with it, at a small rate.

The head is a logistic regression, its weight decay chosen by what it does on pictures that it was not fitted to. The
blocks are tuned by AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) under a cosine
schedule; what counts is the running average of the parameters (Polyak and Juditsky, 1992), which a few hundred noisy
pictures throw about less than the parameters themselves.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from . import network
from .data import Watch
from .features import Bank
from .work import Work

DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Weight decays of the head that are tried."""

HEAD_STEPS = 60
"""Steps of L-BFGS for each: more change no answer."""

BATCH = 32

AVERAGE = 0.98
"""What is kept of the running average at each step: it looks back over about 50 of them, at first over fewer."""

WARM_UP = 25
"""Steps, a quarter of all at most, over which the rate rises: the first ones shall not break what was learnt before."""


class Judged(NamedTuple):
    """loss: mean cross-entropy of the held-back pictures. accuracy: share of them that is right, 0 to 1."""

    loss: float
    accuracy: float


def judged(logits: Tensor, labels: Tensor) -> Judged:
    """How good (pictures, classes) ``logits`` are."""
    loss = nn.functional.cross_entropy(logits, labels).item()
    return Judged(loss, (logits.argmax(1) == labels).float().mean().item())


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """(classes,) factors of the loss, their mean over the pictures 1: each class weighs as much as any other."""
    counts = torch.bincount(labels, minlength=classes)
    return len(labels) / (classes * counts.clamp(min=1)).float()


def fit_head(train: Bank, val: Bank, classes: int, watch: Watch) -> tuple[nn.Linear, Judged]:
    """The linear head of least loss on ``val`` that the pooled features of ``train`` give, one decay after another."""
    weights = class_weights(train.labels, classes)
    parts, held_back = train.pooled(), val.pooled()
    best: tuple[nn.Linear, Judged] | None = None
    for decay in watch(DECAYS, "head"):
        head = _regressed(parts, weights, decay)
        with torch.inference_mode():
            logits = torch.cat([head(x) for x, _ in held_back])
        found = judged(logits, val.labels)
        if best is None or found.loss < best[1].loss:
            best = head, found
    assert best is not None
    return best


def _regressed(parts: Sequence[tuple[Tensor, Tensor]], weights: Tensor, decay: float) -> nn.Linear:
    head = nn.Linear(parts[0][0].shape[1], len(weights))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    rows = sum(len(labels) for _, labels in parts)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=HEAD_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = decay * head.weight.square().sum()
        for x, labels in parts:
            each = nn.functional.cross_entropy(head(x), labels, reduction="none")
            loss = loss + (each * weights[labels]).sum() / rows
        loss.backward()
        return cast(Tensor, loss)

    optimiser.step(closure)
    return head


class Schedule(NamedTuple):
    """How long and how fast: epochs at most, the largest rate, weight decay, and the seed of what is random.

    patience: epochs without a smaller loss on the held-back pictures that end the tuning.
    """

    epochs: int
    rate: float
    decay: float
    patience: int
    seed: int


class Tuned(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The trained part: the last blocks, and the classifier (dropout and a linear layer). Logits for what they take."""

    def __init__(self, blocks: nn.Sequential, classifier: nn.Sequential) -> None:
        super().__init__()
        self.blocks = blocks
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """(batch, classes) logits for maps or pixels."""
        return cast(Tensor, self.classifier(self.blocks(x).mean((2, 3))))


class Tuning:
    """The state of the second phase. It can be saved after each epoch, and goes on from there to the same end.

    best: the state dictionary of least loss, what it did, and its epoch; epoch 0 is the network before.
    """

    def __init__(self, net: Tuned, train: Bank, val: Bank, schedule: Schedule) -> None:
        self.net, self.train, self.val, self.schedule = net, train, val, schedule
        self.average = copy.deepcopy(net).eval()
        self.optimiser = torch.optim.AdamW(net.parameters(), lr=schedule.rate, weight_decay=schedule.decay)
        self.weights = class_weights(train.labels, net.classifier[-1].out_features)
        self.keep = 0.0
        self.epoch = 0
        self.history: list[tuple[float, float, float]] = []
        self.best: tuple[dict[str, Tensor], Judged, int] = copy.deepcopy(net.state_dict()), self.judge(), 0

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or the last few brought nothing."""
        return self.epoch >= self.schedule.epochs or self.epoch - self.best[2] >= self.schedule.patience

    def judge(self) -> Judged:
        """What the running average does on the held-back pictures."""
        rows = np.arange(len(self.val))
        with torch.inference_mode():
            batches = [self.average(self.val.batch(rows[at : at + BATCH], None)) for at in range(0, len(rows), BATCH)]
        return judged(torch.cat(batches), self.val.labels)

    def run(self, watch: Watch) -> None:
        """One epoch, and what it brought."""
        rng = np.random.default_rng([self.schedule.seed, 2, self.epoch])
        torch.manual_seed(int(rng.integers(1 << 31)))
        rows = rng.permutation(len(self.train))
        # No last batch of one picture: normalisation over a batch needs two.
        batches = np.array_split(rows, math.ceil(len(rows) / BATCH))
        self.net.train()
        losses = []
        for number, batch in enumerate(watch(batches, f"epoch {self.epoch + 1}/{self.schedule.epochs}")):
            self._set_rate(self.epoch * len(batches) + number, self.schedule.epochs * len(batches))
            losses.append(self._step(batch, rng))
        self.epoch += 1
        found = self.judge()
        self.history.append((float(np.mean(losses)), *found))
        if found.loss < self.best[1].loss:
            self.best = copy.deepcopy(self.average.state_dict()), found, self.epoch

    def _set_rate(self, step: int, steps: int) -> None:
        warm_up = min(WARM_UP, steps / 4)
        rate = self.schedule.rate * min(1.0, (step + 1) / warm_up) * (1 + math.cos(math.pi * step / steps)) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.keep = min(AVERAGE, (1 + step) / (10 + step))

    def _step(self, rows: Any, rng: np.random.Generator) -> float:
        labels = self.train.labels[torch.from_numpy(rows)]
        each = nn.functional.cross_entropy(self.net(self.train.batch(rows, rng)), labels, reduction="none")
        loss = (each * self.weights[labels]).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            pairs = zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - self.keep) if mean.is_floating_point() else mean.copy_(now)
        return float(loss.item())

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on, as ``torch.save`` takes it."""
        parts = {"net": self.net, "average": self.average, "optimiser": self.optimiser}
        plain = {"epoch": self.epoch, "history": self.history, "best": [self.best[0], *self.best[1], self.best[2]]}
        return {**{name: part.state_dict() for name, part in parts.items()}, **plain}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.history = state["epoch"], [tuple(each) for each in state["history"]]
        best, loss, accuracy, epoch = state["best"]
        self.best = best, Judged(loss, accuracy), epoch


STATE = "tuning.pt"


def tune(tuning: Tuning, work: Work, watch: Watch, say: Callable[[str], None], out_of_time: Callable[[], bool]) -> str:
    """Run epochs until all are done, they bring nothing more, or the time is up; saved after each. Says why it ended.

    Raises:
        OSError: the disk is full.
    """
    if work.path(STATE).exists():
        tuning.restore(network.read(work.path(STATE)))
    while not tuning.is_over:
        if out_of_time():
            return f"the time was up after {tuning.epoch} epochs"
        began = time.monotonic()
        tuning.run(watch)
        network.write(work.path(STATE), tuning.state())
        say(_line(tuning, time.monotonic() - began))
    early = tuning.epoch < tuning.schedule.epochs
    return f"{tuning.epoch} epochs" + (f", the last {tuning.schedule.patience} without a smaller loss" if early else "")


def _line(tuning: Tuning, seconds: float) -> str:
    loss, held_back, accuracy = tuning.history[-1]
    left = (tuning.schedule.epochs - tuning.epoch) * seconds
    best = " (the best so far)" if tuning.best[2] == tuning.epoch else ""
    return (
        f"epoch {tuning.epoch}/{tuning.schedule.epochs}: loss {loss:.3f}; held back: loss {held_back:.3f}, "
        f"{accuracy:.1%} right{best}; at most {left:.0f} s left"
    )
