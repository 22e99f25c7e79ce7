"""An address as a QR code on the terminal, for the camera of a telephone."""

from __future__ import annotations

import io
import sys


def show(link: str) -> bool:
    """Draw one on stderr, where that is a terminal that has the blocks for it; whether it was."""
    stream = sys.stderr
    if stream is None or not stream.isatty() or "utf" not in (stream.encoding or "").lower():
        return False
    stream.write(drawn(link))
    stream.flush()
    return True


def drawn(link: str) -> str:
    """The lines of one: light on dark, as most terminals are; readers take either (ISO/IEC 18004)."""
    import segno

    text = io.StringIO()
    segno.make(link, error="l").terminal(out=text, compact=True)
    return text.getvalue()
