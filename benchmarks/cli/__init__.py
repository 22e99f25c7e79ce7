"""The command `edge-bench`. One file a command, loaded only when it is called."""

from __future__ import annotations

import sys

import click

import edge
from edge.cli import HELP, Commands, begin

COMMANDS = {
    "compare": "Hold records against each other, and say what differs.",
    "mlperf": "Drive MLPerf's LoadGen over an interpreter.",
    "power": "Add what an outside meter logged to a record.",
    "report": "One page of records: HTML, Markdown or CSV.",
    "run": "Measure; what is done where no command is named.",
    "schema": "Print the JSON schema of records.",
}

OWN = {"-h", "--help", "--version"}


@click.command(cls=Commands, package=__name__, known=COMMANDS, context_settings=HELP)
@click.version_option(edge.__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks; may stand anywhere.")
def cli(debug: bool) -> None:
    """How fast, how steady, how hot and how hungry a model is on this board, and whether the number can be believed.

    `edge-bench` alone is `edge-bench run`.
    """


def main() -> None:
    """Run the command line."""
    begin(cli, "edge-bench", completed(sys.argv[1:]))


def completed(arguments: list[str]) -> list[str]:
    """The arguments, with the command that is meant where none is named."""
    first = next((argument for argument in arguments if argument != "--debug"), None)
    named = first is not None and (first in COMMANDS or first in OWN)
    return arguments if named else ["run", *arguments]
