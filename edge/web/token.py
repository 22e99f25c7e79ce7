"""The token that opens a page to other machines: shown once, when it is made; what is kept of it opens nothing.

Kept is one line: `scrypt$16384$8$1$<salt>$<hash>`, in base64 (RFC 7914; the cost is that of its section 2 for logins).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import NamedTuple

from edge.errors import ConfigError

N, R, P = 1 << 14, 8, 1
"""16 MiB, and some 50 ms of a PC; a Raspberry Pi 4 takes four times as long."""

MOST_NR, MOST_R, MOST_P = 1 << 20, 32, 4
"""128 MiB. A line that asks for more would only keep the camera from its work."""

SALT, HASH, TOKEN = 16, 32, 24
"""Bytes."""

LONGEST = 200
"""Characters of what may be a token."""


class Kept(NamedTuple):
    """What is kept of a token."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    @property
    def line(self) -> str:
        """As it stands in a file."""
        return "$".join(["scrypt", str(self.n), str(self.r), str(self.p), _text(self.salt), _text(self.hash)])

    def fits(self, token: str) -> bool:
        """Whether that is the token; takes as long for a wrong one."""
        if not 0 < len(token) <= LONGEST:
            return False
        return hmac.compare_digest(self.hash, _hash(token, self.n, self.r, self.p, self.salt, len(self.hash)))


def make() -> tuple[str, Kept]:
    """A new token, which nobody can guess, and what is to be kept of it."""
    token = secrets.token_urlsafe(TOKEN)
    salt = secrets.token_bytes(SALT)
    return token, Kept(N, R, P, salt, _hash(token, N, R, P, salt, HASH))


def read(line: str, called: str) -> Kept:
    """What was kept. called: what the file is called in errors. Raises ConfigError where it is none."""
    parts = line.strip().split("$")
    try:
        kind, n, r, p, salt, kept = parts
        found = Kept(int(n), int(r), int(p), _bytes(salt), _bytes(kept))
    except (ValueError, binascii.Error):
        kind, found = "", Kept(0, 0, 0, b"", b"")
    power = found.n > 1 and found.n & (found.n - 1) == 0
    sound = power and found.n * found.r <= MOST_NR and 0 < found.r <= MOST_R and 0 < found.p <= MOST_P
    if kind != "scrypt" or not sound or len(found.salt) < 8 or len(found.hash) < 16:
        raise ConfigError(f"{called}: is not what `edge service token` writes; run that again")
    return found


def _hash(token: str, n: int, r: int, p: int, salt: bytes, size: int) -> bytes:
    most = 128 * r * (n + p + 2)  # what OpenSSL reckons that it needs
    return hashlib.scrypt(token.encode(), salt=salt, n=n, r=r, p=p, maxmem=2 * most, dklen=size)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
