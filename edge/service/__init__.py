"""A camera as a service: one process for years, supervised from inside and by systemd."""

from __future__ import annotations

from pathlib import Path


def run(path: str | Path) -> int:
    """Run the camera of a settings file until it is told to stop; returns the exit code.

    0: it was stopped, or a recording has ended. 1: what failed does not come back, and another process may do better.
    2: the settings, or what they name, cannot work. Must be called in the main thread.
    """
    from edge.service.signals import heard

    with heard() as asked:  # first of all: what follows takes a while to load
        from edge.service import life

        return life.run(path, asked)
