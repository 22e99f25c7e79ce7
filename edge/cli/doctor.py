"""`edge doctor`: what this machine can run, why not, and the command that mends it."""

from __future__ import annotations

from textwrap import wrap

import click
import msgspec
from rich.console import Console
from rich.text import Text

from edge import doctor
from edge.doctor import Finding, Report

STATE = 6
"""Columns of the state and the blanks after it."""

NARROWEST = 30

STYLES = {"good": "green", "note": "yellow", "bad": "bold red", "n/a": "dim"}


@click.command("doctor")
@click.option("--profile", default="auto", show_default=True, help="Device profile: a name or a TOML file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else.")
def command(profile: str, as_json: bool) -> int:
    """Examine this machine: what the profile needs, what is missing, and the command that mends it.

    Every line is good, note (slower, or a surprise), bad (something that the profile asks for does not work) or n/a.
    The exit code is 0 only where the profile can run: its interpreter answered a photograph, and its camera gave a
    frame.
    """
    with Console(stderr=True).status("examining; this takes some seconds, and minutes where something hangs"):
        report = doctor.examine(profile)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        show(report, Console(highlight=False))
    return 0 if report.can_run else 1


def show(report: Report, console: Console) -> None:
    """Print the table, and the verdict below it. Commands are not broken, so that they can be copied."""
    width = max(len(finding.check) for finding in report.findings)
    for finding in report.findings:
        _show(finding, width, console)
    console.print()
    if report.because:
        console.print(Text(f"profile {report.profile} ({report.because})"), soft_wrap=True)
    console.print(Text(report.verdict, style=STYLES["good" if report.can_run else "bad"]), soft_wrap=True)


def _show(finding: Finding, width: int, console: Console) -> None:
    said = f"{finding.seen}; {finding.advice}" if finding.advice else finding.seen
    indent = STATE + width + 2
    width_of_words = max(console.width - indent, NARROWEST)
    lines = wrap(said, width_of_words, break_on_hyphens=False, break_long_words=False)
    quiet = "dim" if finding.state == "n/a" else ""
    first = Text.assemble((f"{finding.state:<{STATE}}", STYLES[finding.state]), (f"{finding.check:<{width}}  ", quiet))
    console.print(first.append(lines[0], quiet), soft_wrap=True)
    for line in lines[1:]:
        console.print(Text(" " * indent + line, quiet), soft_wrap=True)
    if finding.command:
        console.print(Text(f"{' ' * STATE}$ {finding.command}", "bold"), soft_wrap=True)
