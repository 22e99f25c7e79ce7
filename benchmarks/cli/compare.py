"""`edge-bench compare`: records held against each other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.errors import ConfigError, EdgeError
from edge.files import printable

from ..compare import Comparison, Measure, Named, Pair, compared, slowdowns
from ..ratio import FLOOR, Ratio
from ..record import read

SHARE = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<percent>%?)")

RATES = {"slower": "lower", "faster": "higher"}

STYLES = {"slower": "red", "faster": "green"}

SHORT = {"no difference found": "-", "too few samples": "too few"}


def share(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """0.05 of "5%" or "0.05". Raises BadParameter for anything else, also for "5", which may mean either."""
    if text is None:
        return None
    found = SHARE.fullmatch(text.strip())
    value = float(found["number"]) / (100 if found["percent"] else 1) if found else math.nan
    if not found or (value >= 1 and not found["percent"]):
        raise click.BadParameter(f"{text!r} is no limit; give it as 5% or 0.05.")
    return value


@click.command("compare")
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fail-above", metavar="SHARE", callback=share, help="Exit 1 if anything became slower by more: 5%.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
def command(records: tuple[Path, ...], fail_above: float | None, as_json: bool) -> None:
    """Hold RECORDS against the first of them; or, of one record alone, its results against the first of each scenario.

    A difference is called only if the 99 % interval of the ratio excludes 1, a rank test agrees, and it is at least
    2.5 %. Where the records have a yardstick, it is judged at equal speed of the machine.

    With --fail-above, the exit code is 1 if a latency or a rate (stages do not count) was found slower and the best
    estimate is above the limit; and also if that cannot be told: a result of the base is missing, one is invalid, or
    has too few samples, or the machine was so unsteady that not even twice the limit would have been seen. What lies
    between the limit and that is told, and passes.
    """
    comparisons = compared([Named(printable(path), read(path)) for path in records])
    if not any(each.pairs for each in comparisons):
        raise ConfigError(_nothing(records))
    failures = [] if fail_above is None else list(_failures(comparisons, fail_above))
    if as_json:
        told = {"comparisons": comparisons, "fail_above": fail_above, "failures": failures}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
    else:
        console = Console(highlight=False)
        for each in comparisons:
            _print(console, each)
    if fail_above is not None:
        for line in _unseen(comparisons, fail_above):
            click.echo(f"edge-bench: {line}", err=True)
    if failures and fail_above is not None:
        raise EdgeError(f"--fail-above {100 * fail_above:g}%: " + "; ".join(failures))


def _nothing(records: tuple[Path, ...]) -> str:
    if len(records) == 1:
        return f"{printable(records[0])}: no two results of one scenario to compare; give a second record"
    return "no result of the first record has its like in another; measure the same scenarios, see `edge-bench run -h`"


def _failures(comparisons: list[Comparison], limit: float) -> Iterator[str]:
    for pair, measure in slowdowns(comparisons, limit):
        yield f"{pair.other}: {measure.name} {measure.change:.1%} slower"
    for comparison in comparisons:
        for missing in comparison.missing:
            yield f"{missing}: missing in {comparison.other}"
        for pair in comparison.pairs:
            if not pair.sound:
                yield f"{pair.other}: invalid, so measure again"
            if any(each.kind != "stage" and each.finding == "too few samples" for each in pair.measures):
                yield f"{pair.other}: too few samples, so measure longer"
            for each in pair.measures:
                if each.kind != "stage" and each.finding == "no difference found" and _blind(each, limit):
                    yield f"{pair.other}: {each.name}: not even a change of {2 * limit:.1%} could have been seen"
            if not pair.measures:
                yield f"{pair.other}: no samples to compare, so measure again"


def _blind(measure: Measure, limit: float) -> bool:
    """Whether a change of twice the limit would have been missed: then passing says nothing."""
    return measure.visible is not None and measure.visible > 2 * max(limit, FLOOR)


def _unseen(comparisons: list[Comparison], limit: float) -> Iterator[str]:
    for pair in (pair for comparison in comparisons for pair in comparison.pairs):
        for each in pair.measures:
            least = each.visible or 0.0
            told = each.kind == "stage" or _blind(each, limit)
            if not told and each.finding == "no difference found" and least > max(limit, FLOOR):
                why = f"a change of {each.name} below {least:.1%} could not have been seen"
                yield f"{pair.other}: {why}; measure longer, or on a quieter machine"


def _print(console: Console, comparison: Comparison) -> None:
    within = comparison.base == comparison.other
    _say(console, f"Within {comparison.base}" if within else f"A: {comparison.base}\nB: {comparison.other}", "bold")
    for line in comparison.care:
        _say(console, f"compare with care: {line}", "yellow")
    for pair in comparison.pairs:
        _print_pair(console, pair)
    for side, lines in (("A", comparison.missing), ("B", comparison.added)):
        for line in lines:
            _say(console, f"only in {side}: {line}", "yellow")


def _print_pair(console: Console, pair: Pair) -> None:
    console.print()
    same = pair.base == pair.other
    _say(console, pair.base if same else f"A: {pair.base}\nB: {pair.other}", "bold")
    for line in pair.care:
        _say(console, f"compare with care: {line}", "yellow")
    if pair.machine is not None:
        _say(console, _machine(pair.machine))
    if not pair.measures:
        _say(console, "no samples to compare")
        return
    console.print(_table(pair.measures))
    for each in pair.measures:
        if each.kind != "stage":
            _say(console, in_words(each), STYLES.get(each.finding, ""))


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(Text(line, style=style), soft_wrap=True)


def _machine(ratio: Ratio) -> str:
    change = ratio.ratio - 1 if ratio.ratio >= 1 else 1 / ratio.ratio - 1
    if change < 0.005:
        return "The machine itself was as fast in B as in A."
    return f"The machine itself was {change:.1%} {'slower' if ratio.ratio > 1 else 'faster'} in B, by the yardstick."


def _table(measures: list[Measure]) -> Table:
    equal = any(each.at_equal_speed for each in measures)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    columns = ("A", "B", "B / A (99 %)", *(["at equal speed"] if equal else []))
    table.add_column("median, ms", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("found", no_wrap=True)
    for each in measures:
        ratios = (each.ratio, *([each.at_equal_speed] if equal else []))
        found = Text(SHORT.get(each.finding, each.finding), style=STYLES.get(each.finding, ""))
        table.add_row(Text(each.name), _number(each.base), _number(each.other), *map(_interval, ratios), found)
    return table


def _number(value: float) -> str:
    """Four digits that count."""
    digits = 3 - math.floor(math.log10(value))
    return f"{value:.{min(max(digits, 0), 6)}f}"


def _interval(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.ratio:.3f}"
    return f"{ratio.ratio:.3f} ({ratio.low:.3f}-{ratio.high:.3f})"


def in_words(measure: Measure) -> str:
    """The finding, in a line."""
    how = ", at equal speed of the machine" if measure.at_equal_speed else ""
    if measure.finding == "too few samples":
        return f"{measure.name}: too few samples to say; measure longer"
    if measure.finding == "no difference found":
        return f"{measure.name}: no difference found{how} (would have seen {measure.visible:.1%} or more)"
    return f"{measure.name}: {_changed(measure)}{how}"


def _changed(measure: Measure) -> str:
    """By how much, with its interval."""
    ratio = measure.at_equal_speed or measure.ratio
    ends: list[Any] = [ratio.low, ratio.high]
    changes = sorted(abs(end - 1) for end in ends)
    word = RATES[measure.finding] if measure.kind == "fps" else measure.finding
    return f"{abs(ratio.ratio - 1):.1%} {word} ({changes[0]:.1%} to {changes[1]:.1%})"
