"""How connections are encrypted: by a certificate that is given, and that is read anew where its files change."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, one_line
from edge.files import printable, read_small

Stamp = tuple[int, int, int] | None
"""When a file, or who may read it, was changed (ns), its size and its number; None: it is not there."""


class Certificate:
    """For a server. told: gets why new files do not serve, and None when they do again; those before serve meanwhile.

    Files are looked at when a connection begins, so that a certificate that was renewed needs no restart. Raises
    ConfigError where they do not serve to begin with.
    """

    def __init__(self, certificate: Path, key: Path, told: Callable[[str | None], None]) -> None:
        self._files = certificate, key
        self._told = told
        self._seen = self._stamps()
        self.context = self._newest = context_of(certificate, key)
        self.context.sni_callback = self._begins  # is called also for who gives no name

    def _begins(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._newest = context_of(*self._files)
            except ConfigError as error:
                self._told(str(error))
            else:
                self._told(None)
        connection.context = self._newest

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, self._files))


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 at least. Raises ConfigError where the files do not serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in (certificate, key):
            read_small(path)  # a pipe never ends
        context.load_cert_chain(certificate, key, password=lambda: "")
        is_open = key.stat().st_mode & 0o007
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"{printable(certificate)} and {printable(key)}: {one_line(error)}; "
            "give a certificate and its private key, as PEM without a passphrase"
        ) from error
    if is_open:
        raise ConfigError(f"{printable(key)}: everybody may read it; run `chmod o= {printable(key)}`")
    return context


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino
