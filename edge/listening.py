"""Sockets that outputs listen on."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

from edge.errors import ConfigError, one_line

SEND_BUFFER = 1 << 18
"""Bytes that the kernel keeps for one who is slow to read: not the megabytes that it would come to by itself, for what
lies there is old when it is read."""


def place(address: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:8080", "[::1]:80" or ":9464"; "" is every host. Raises ConfigError."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{address!r} cannot be listened on; give an address and a port up to 65535")
    return host.strip("[]"), int(port)


def is_local(address: str) -> bool:
    """Whether only this machine reaches an address, as `place` takes it. Raises ConfigError."""
    host, _ = place(address)
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name may be anything; no name is every address
        return False


def listening(address: str) -> socket.socket:
    """A socket that listens on an address, as `place` takes it; on ":0", on some port that is free.

    Raises ConfigError; OSError where the address is not of this machine, or something else has the port.
    """
    host, port = place(address)
    try:
        found = _open(host, port)
    except (OSError, UnicodeError) as error:  # the latter of what is no name of a host at all
        raise OSError(
            f"{address} cannot be listened on ({_reason(error)}); choose another one, or end what has it"
        ) from error
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return found


def _reason(error: OSError | UnicodeError) -> str:
    """Why, without what Python puts around it; a look-up of an address has numbers of its own."""
    if not isinstance(error, OSError):
        return one_line(error)
    number = error.errno or 0
    return os.strerror(number) if number in errno.errorcode else one_line(error.strerror or error)


def _open(host: str, port: int) -> socket.socket:
    if host:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
