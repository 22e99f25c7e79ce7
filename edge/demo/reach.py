"""How a page is reached: its address, its port, and the browser of a desktop."""

from __future__ import annotations

import os
import socket
import webbrowser
from collections.abc import Callable, Iterable, Mapping

from edge.errors import ConfigError
from edge.listening import listening, place

PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that nobody has (RFC 5737, section 3; RFC 3849); nothing is sent there."""


def url_of(listen: str, port: int, tls: bool) -> str:
    """The address that a browser is given for one that is listened on."""
    host, _ = place(listen)
    if host in ("", "0.0.0.0", "::"):
        host = own_address()
    if ":" in host:
        host = f"[{host}]"
    return f"http{'s' if tls else ''}://{host}:{port}/"


def own_address(probes: Iterable[tuple[socket.AddressFamily, str]] = PROBES) -> str:
    """The address by which others in the network most likely reach this machine; without a route, its name there."""
    for family, other in probes:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((other, 9))
                return str(probe.getsockname()[0])
            except OSError:
                continue
    return f"{socket.gethostname().partition('.')[0]}.local"


def has_desktop(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether there is somebody in front of this machine, so that a browser can be opened; not by SSH."""
    by_ssh = environment.get("SSH_CONNECTION") or environment.get("SSH_TTY")
    return not by_ssh and bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_browser(link: str, find: Callable[[], webbrowser.BaseBrowser] = webbrowser.get) -> bool:
    """Open a page in the browser of this desktop; whether that could be begun. One of the terminal is none."""
    try:
        browser = find()
        return type(browser) is not webbrowser.GenericBrowser and browser.open(link)
    except (OSError, webbrowser.Error):
        return False


def bound(listen: str, ports: int = 1) -> socket.socket:
    """A socket that listens on an address, as `edge.listening.listening` has it, or on one of the `ports - 1` ports
    after it where others have that: none is looked at first and taken later, when somebody else may have it.

    Raises ConfigError where none can be had.
    """
    host, first = listen.rpartition(":")[0], place(listen)[1]
    for port in range(first, first + ports):
        try:
            return listening(f"{host}:{port}")
        except OSError as error:
            why = f"{error}; without --listen a free one is taken"
    if ports > 1:
        why = f"{listen} and the {ports - 1} ports after it are taken; name another one with --listen"
    raise ConfigError(why)
