"""`edge service`: a camera that runs for years."""

from __future__ import annotations

import click

from edge.cli import HELP, Commands

KNOWN = {
    "check": "Check the file of a camera, and what it names.",
    "install": "Install a camera as a systemd service; --dry-run shows what that does.",
    "logs": "Show what a camera's service said.",
    "run": "Run a camera by its file; what the systemd unit calls.",
    "schema": "Print the JSON schema of a camera's file, for editors.",
    "status": "Show how the cameras of this machine fare.",
    "token": "Make a token for a camera's page, which lets people in from other machines.",
    "uninstall": "Remove a camera's service, and all that came with it.",
}


@click.command("service", cls=Commands, package=__name__, known=KNOWN, context_settings=HELP)
def command() -> None:
    """Run a camera for years: as a systemd service, with events, MQTT, metrics and pictures."""
