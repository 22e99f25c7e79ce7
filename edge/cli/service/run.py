"""`edge service run`: one camera, until it is told to stop."""

from __future__ import annotations

import signal

import click


@click.command("run")
@click.argument("file")
def command(file: str) -> int:
    """Run the camera of FILE until SIGTERM or Ctrl-C; SIGHUP reads FILE again.

    FILE is a TOML file, or the name of one in /etc/edge. systemd is told when it is ready, how it fares, and that it
    lives (sd_notify).
    """
    from edge.service import run

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # before it is listened for, and at the very end
    return run(file)
