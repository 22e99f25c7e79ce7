"""A service whose interpreter runs in its own process, as that of `edge demo` does: `python -m … SETTINGS`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import cv2

from edge.service.life import Life
from edge.service.opening import opened
from edge.service.reload import Reload
from edge.service.signals import heard


def main() -> int:
    """Run until SIGTERM."""
    with heard() as asked:
        cv2.setNumThreads(1)
        return Life(Reload(Path(sys.argv[1])), asked, work=partial(opened, isolated=False)).run()[0]


if __name__ == "__main__":
    sys.exit(main())
