"""From a folder of pictures to an int8 model: head, last blocks, export, scores and report, each once.

What is done is kept in a folder beside the result (``work``), and a start with the same options and pictures goes on
from there. All that is random comes from the seed, so the same start gives the same model on the same machine.
"""

from __future__ import annotations

import shutil

import msgspec
from torch import nn

from edge.errors import EdgeError
from edge.files import printable

from . import data, finish, network, train
from .begin import Made, Options, Show, Start, check_beside, check_out, key, start, steady, title
from .checkpoint import Checkpoint, folded
from .data import Data
from .features import Bank, Plan, views_for
from .network import MobileNetV2, load_arrays, to_arrays
from .work import Work, folder_of, opened

TUNED = train.Schedule(epochs=12, rate=1e-4, decay=0.05, patience=4, seed=0)
"""For a network that has learnt before."""

SCRATCH = train.Schedule(epochs=60, rate=2e-3, decay=0.05, patience=15, seed=0)
"""For one that has not."""


def trained(work: Work, begin: Start, found: Data, options: Options, show: Show) -> Made:
    """Features, head and blocks; each is taken from the work folder where it is there. Raises OSError."""
    net = MobileNetV2(len(found.labels), begin.checkpoint.width, folded=begin.checkpoint.is_folded)
    load_arrays(net, begin.checkpoint.arrays)
    plan = Plan(net.features, begin.cut, begin.learnt, begin.checkpoint.size, begin.checkpoint.fit, options.seed)
    bank = Bank(work, "train", found.train, plan, views_for(len(found.train)))
    held_back = Bank(work, "val", found.val, plan, 1)
    with work.timed("features"):
        bank.compute(show.watch)
        held_back.compute(show.watch)
    head = None
    if begin.learnt:
        with work.timed("head"):
            net.classifier[-1], head = _head(work, bank, held_back, len(found.labels), show)
        show.say(f"head on frozen features: held back: loss {head.loss:.3f}, {head.accuracy:.1%} right")
    head_only = _checkpoint(begin, net) if head else None
    if begin.blocks == 0 and head is not None:
        return Made(_checkpoint(begin, net), head_only, head, head, "the head alone, as asked", 0)
    usual = TUNED if begin.learnt else SCRATCH
    schedule = usual._replace(epochs=options.epochs or usual.epochs, seed=options.seed)
    tuned = train.Tuned(net.features[begin.cut :], net.classifier)
    tuning = train.Tuning(tuned, bank, held_back, schedule)
    limit = float("inf") if options.time_limit is None else 60 * options.time_limit
    with work.timed("blocks"):
        ended = train.tune(tuning, work, show.watch, show.say, lambda: work.spent() > limit)
    tuned.load_state_dict(tuning.best[0])
    return Made(_checkpoint(begin, net), head_only, head, tuning.best[1], ended, tuning.best[2])


def _head(work: Work, bank: Bank, held_back: Bank, classes: int, show: Show) -> tuple[nn.Linear, train.Judged]:
    if work.path("head.pt").exists():
        state = network.read(work.path("head.pt"))
        head = nn.Linear(state["weight"].shape[1], classes)
        head.load_state_dict({name: state[name] for name in ("weight", "bias")})
        return head, train.Judged(state["loss"], state["accuracy"])
    head, found = train.fit_head(bank, held_back, classes, show.watch)
    network.write(work.path("head.pt"), {**head.state_dict(), "loss": found.loss, "accuracy": found.accuracy})
    return head, found


def _checkpoint(begin: Start, net: MobileNetV2) -> Checkpoint:
    arrays = {name: array.copy() for name, array in to_arrays(net.state_dict()).items()}
    return folded(msgspec.structs.replace(begin.checkpoint, arrays=arrays, name=title(begin)))


def finetune(options: Options, show: Show) -> finish.Result:
    """Make the model that ``options`` ask for; the files of the result appear when all of them are complete.

    Raises:
        ConfigError, ModelError: the options, the pictures or the weights cannot be used; nothing was begun.
        EdgeError: the disk is full; what was done is kept.
    """
    check_out(options.out)
    steady()
    found = data.read(options.data, options.seed, show.watch)
    check_beside(options.out, found.labels)
    for note in found.notes:
        show.say(note)
    begin = start(options, found.labels)
    folder = folder_of(options.out)
    try:
        with opened(folder) as work:
            said = work.match(key(options, found, begin), options.fresh)
            show.say(said or _plan(begin, found))
            result = _run(work, begin, found, options, show)
            shutil.rmtree(folder)
            return result
    except EdgeError:
        raise
    except OSError as error:
        where = printable(error.filename or folder)
        raise EdgeError(f"{where}: {error.strerror or error}; {RESUME}") from error


RESUME = "mend that and give the same command again: it goes on from what is done"


def _run(work: Work, begin: Start, found: Data, options: Options, show: Show) -> finish.Result:
    done = work.path("done")
    if not done.is_dir():
        made = trained(work, begin, found, options, show)
        finish.stage(work, made, begin, found, options, show)
    return finish.publish(done, options.out)


def _plan(begin: Start, found: Data) -> str:
    counts = f"{len(found.train)} pictures to train with, {len(found.val)} to stop by, {len(found.test)} to score with"
    scratch = "; all blocks begin with random numbers, which needs thousands of pictures a class: see --weights"
    return f"{len(found.labels)} classes, {counts}{'' if begin.learnt else scratch}"
