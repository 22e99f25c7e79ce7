"""`edge-bench report`: records as a page, as Markdown or as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from edge.errors import ConfigError, one_line
from edge.files import printable, write_whole

from ..record import Record, read

Maker = Callable[[Sequence[Record]], str]


@click.command("report")
@click.argument("records", nargs=-1, required=True, metavar="RECORD...", type=click.Path(path_type=Path))
@click.option("--html", "html_file", metavar="FILE", help="One page with tables and plots, complete in itself.")
@click.option("--markdown", "markdown_file", metavar="FILE", help="Tables and figures as Markdown.")
@click.option("--csv", "csv_file", metavar="FILE", help="One row a result, for a spreadsheet.")
def command(records: tuple[Path, ...], html_file: str | None, markdown_file: str | None, csv_file: str | None) -> None:
    """Make one page of all that is in the RECORDs, which --output of `edge-bench run` wrote.

    FILE may be `-`, which is stdout.
    """
    wanted = {"--html": html_file, "--markdown": markdown_file, "--csv": csv_file}
    named = {option: file for option, file in wanted.items() if file is not None}
    if not named:
        raise click.UsageError(f"Nothing to make: give at least one of {', '.join(wanted)}.")
    shown = [option for option, file in named.items() if file == "-"]
    if len(shown) > 1:
        raise click.UsageError(f"{' and '.join(shown)}: only one of them can be stdout; name a file for the others.")
    for option, file in named.items():
        check(option, file, records)
    if len({Path(file).resolve() for file in named.values()}) < len(named):
        raise click.UsageError("Two of the files are one and the same; name another for one of them.")
    found = [read(path) for path in records]
    for option, file in named.items():
        write(option, file, MAKERS[option](found))


def check(option: str, file: str, records: Sequence[Path]) -> None:
    """Refuse to write over what is a record, or may be one, where RECORD and FILE were given in the wrong order."""
    if file.lower().endswith(".json") or Path(file).resolve() in [record.resolve() for record in records]:
        raise click.UsageError(f"{option} {printable(file)}: this would be a record; name another file.")


def html_page(records: Sequence[Record]) -> str:
    """One page."""
    from ..report import html

    return html.page(records)


def markdown_text(records: Sequence[Record]) -> str:
    """Tables and lists."""
    from ..report import markdown

    return markdown.text(records)


def csv_rows(records: Sequence[Record]) -> str:
    """One row a result."""
    from ..report import table

    return table.csv_text(records)


MAKERS: dict[str, Maker] = {"--html": html_page, "--markdown": markdown_text, "--csv": csv_rows}


def write(option: str, file: str, text: str) -> None:
    """Put a text in its place, or on stdout. Raises ConfigError where it cannot be written there."""
    data = text.encode("utf-8", "replace")
    if file == "-":
        click.echo(data, nl=False)
        return
    try:
        write_whole(Path(file), data)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ConfigError(f"{option} {printable(file)}: cannot be written: {reason}; name another file") from error
    click.echo(f"{printable(file)}: {-(-len(data) // 1024):,} KiB", err=True)
