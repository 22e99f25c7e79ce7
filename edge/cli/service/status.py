"""`edge service status`: how the cameras of this machine fare."""

from __future__ import annotations

import click
import msgspec

from edge.cli.service.install import BOOTED
from edge.errors import EdgeError
from edge.service.install.steps import run_command
from edge.service.install.system import System
from edge.service.status import Status, read


@click.command("status")
@click.argument("cameras", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON array on stdout, and nothing else.")
def command(cameras: tuple[str, ...], as_json: bool) -> int:
    """Show how CAMERAS fare, or all of this machine; ends with 1 where one does not run."""
    system = System()
    try:
        found = read(cameras or system.cameras(), system, run_command)
    except EdgeError as error:
        if BOOTED.is_dir():
            raise
        raise EdgeError("systemd does not run here, and so no camera is a service of it") from error
    if as_json:
        click.echo(msgspec.json.encode(found))
    for each in found:
        if not as_json:
            click.echo(shown(each))
    if not found:
        click.echo("edge: no camera is installed here; `sudo edge service install NAME` does it", err=True)
    return 0 if found and all(each.running for each in found) else 1


def shown(status: Status) -> str:
    """One service in one line, and below it one for each of several cameras."""
    facts = [f"since {status.since}" if status.running and status.since else ""]
    facts.append(f"restarts {status.restarts}" if status.restarts else "")
    facts.append(f"{status.memory_mb:g} MB" if status.running and status.memory_mb else "")
    told = ", ".join(fact for fact in facts if fact)
    state = "running" if status.running else status.state
    head = f"{status.name}: {state}{f' ({told})' if told else ''}"
    each = "".join(f"\n  {name}: {words}" for name, words in status.cameras.items())
    return head + (each or (f": {status.words}" if status.words else ""))
