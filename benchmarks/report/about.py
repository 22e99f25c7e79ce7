"""A record in words: the machine, what was asked for, and how its results fared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.errors import one_line
from edge.host import Facts

from ..record import VERDICTS, Failure, Record, Result, Settings, Verdict
from .words import Row, counted, number


def worst(results: Iterable[Result]) -> Verdict | None:
    """The worst verdict of all; None where there is no result."""
    return max((result.verdict for result in results), key=VERDICTS.index, default=None)


def host(facts: Facts) -> str:
    """A machine by its shortest name."""
    return one_line(facts.board or facts.cpu or facts.machine)


def machine(facts: Facts) -> list[Row]:
    """All that is known of a machine."""
    memory = "not told" if facts.memory_bytes is None else f"{facts.memory_bytes / 2**30:.1f} GiB"
    versions = [f"{one_line(name)} {one_line(version)}" for name, version in facts.versions.items()]
    return [
        Row("board", [one_line(facts.board or "not told")]),
        Row(
            "processor",
            [f"{one_line(facts.cpu or 'not told')}, {counted(facts.cores, 'core')}, {one_line(facts.machine)}"],
        ),
        Row("memory", [memory]),
        Row("system", [f"{one_line(facts.system)}, kernel {one_line(facts.kernel)}"]),
        Row("versions", [", ".join([f"Python {one_line(facts.python)}", *versions])]),
    ]


def asked(record: Record) -> list[Row]:
    """What was asked for, when, and of which tool."""
    settings = record.settings
    return [
        Row("measured", [f"{one_line(record.started_at)}, {one_line(record.tool)}"]),
        Row("command", [one_line(" ".join(settings.command))]),
        Row("profile", [one_line(record.profile)]),
        Row("length", [length(settings)]),
        Row("source", [one_line(settings.source or "none named")]),
        Row("complete", [_complete(record)]),
        *([Row("failed", [_failed(each) for each in record.failed])] if record.failed else []),
    ]


def _complete(record: Record) -> str:
    if record.complete:
        return "yes"
    return "no: see what failed" if record.failed else "no: it was interrupted, and has what was measured until then"


def _failed(failure: Failure) -> str:
    threads = f", {counted(failure.threads, 'thread')}" if failure.threads else ""
    return one_line(f"{failure.scenario}, {failure.model}{threads}: {failure.error}")


def length(settings: Settings) -> str:
    """How long each scenario was to be."""
    parts = [f"{number(settings.duration_s, 3)} s"] if settings.duration_s is not None else []
    parts += [counted(settings.count, "sample")] if settings.count is not None else []
    return ", ".join(parts) or "as each scenario has it"


def tally(results: Sequence[Result]) -> str:
    """How many results have which verdict: "3 valid, 1 suspect"."""
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in VERDICTS}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "no result"
