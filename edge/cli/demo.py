"""`edge demo`: see live what a camera sees."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import cv2

from edge import profile as profiles
from edge import source as sources
from edge.cli import loaded
from edge.cli.options import in_words, model_options, unnamed
from edge.engine import requiring
from edge.errors import CameraError, ConfigError
from edge.profile import DeviceProfile
from edge.settings import Camera, Recovery, Rules, Settings, Snapshots, Web
from edge.settings.reading import NAMED

if TYPE_CHECKING:
    from edge.demo import Shown
    from edge.service.life import Life

LISTEN = "127.0.0.1:8080"

PORTS = 20
"""Of so many, from that on, the first that is free is taken."""

MOST = 16
"""Cameras of one process."""

PATIENCE_S = 86_400.0
"""Whoever looks decides when it is enough."""

OF_PAGE = ("listen", "token_file", "insecure", "certificate", "key", "hosts", "browser_camera")


@click.command("demo")
@click.argument("source", nargs=-1)
@model_options
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.3, show_default=True,
              help="The score from which on something is there.")  # fmt: skip
@click.option("--browser-camera", is_flag=True, help="Look through the camera of whoever opens the page.")
@click.option("--window", is_flag=True, help="Show it in a window, where OpenCV has one, and no page.")
@click.option("--terminal", is_flag=True, help="Show it in this terminal, as blocks of colour, and no page.")
@click.option(
    "--listen", metavar="ADDRESS", help=f"Address and port of the page.  [default: {LISTEN}, or a port after it]"
)
@click.option("--token-file", help="What `edge service token` wrote.  [default: a new token, where one is needed]")
@click.option("--insecure", is_flag=True, help="Let in whoever reaches the address.")
@click.option("--certificate", help="A PEM file with a certificate, for https.")
@click.option("--key", help="A PEM file with its private key.")
@click.option("--host", "hosts", metavar="NAME", multiple=True,
              help="A name of this machine, as its certificate has it; may be given again.")  # fmt: skip
@click.option("--open/--no-open", "opens", default=None,
              help="Open the browser.  [default: where there is a desktop, and no token is needed]")  # fmt: skip
def command(source: tuple[str, ...], window: bool, terminal: bool, opens: bool | None, **given: Any) -> int:
    """Show live what SOURCE sees and what is made of it, until Ctrl-C.

    SOURCE is as `edge run` takes it; several are shown side by side. A video or pictures are shown at their own rate,
    again and again. Without SOURCE: the profile's camera, else the first there is, else sample:. The page is at the
    address that is printed; other machines reach it with --listen :8080, and need the token that is printed with it.
    """
    from edge.service.signals import ENDS, heard

    # Whoever closes the terminal ends it, unless it was begun with nohup.
    ends = ENDS if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*ENDS, signal.SIGHUP)
    with heard(ends) as asked:  # first of all: what follows takes a while to load
        from edge import demo

        cv2.setNumThreads(1)  # frames overlap with inference as it is
        beside = _beside(window, terminal, given)
        profile = requiring(profiles.load(given["profile"]), given["require"])
        named, why = _sources(source, profile, given["browser_camera"])
        settings = _settings(named, given, has_page=beside is None)
        tells = partial(_tell, chosen=in_words(profile, why), opens=opens)
        loaded()
        try:
            return demo.run(settings, asked, tells, beside, ports=1 if given["listen"] else PORTS)
        except CameraError as error:
            raise CameraError(f"{error}; without a camera: `edge demo sample:` or `--browser-camera`") from error


def _sources(given: Sequence[str], profile: DeviceProfile, browser_camera: bool) -> tuple[list[str], str | None]:
    """What is looked through, none of it for the profile's cameras; and why, where nobody named it."""
    if browser_camera:
        if given:
            raise ConfigError(f"--browser-camera is a source of its own; leave it out, or {given[0]}")
        return ["browser:"], None
    if len(given) > MOST:
        raise ConfigError(f"{len(given)} sources are too many; give at most {MOST}")
    for each in given:
        sources.parse(each)
    if given:
        return [each if NAMED.match(each) else str(Path(each).absolute()) for each in given], None
    source, why = unnamed(profile)
    advice = "; --browser-camera looks through that of a browser" if source == "sample:" else ""
    return [] if source is None else [source], why and f"{source or 'a camera'} ({why}{advice})"


def _settings(named: Sequence[str], given: dict[str, Any], has_page: bool) -> Settings:
    """What is asked, as the file of a service would say it. Raises ConfigError."""
    threshold = given["threshold"]
    several = [Camera(name=name, source=source) for name, source in zip(names(named), named, strict=True)]
    return Settings(
        name="demo",
        source=named[0] if len(named) == 1 else None,
        camera=several if len(named) > 1 else [],
        repeat=True,
        rules=Rules(threshold_in=threshold, threshold_out=threshold * 2 / 3, smooth_s=0.3, clear_s=1.0),
        recovery=Recovery(patience_s=PATIENCE_S),
        snapshots=Snapshots(before_s=0, quota_mb=64),
        web=_web(given) if has_page else None,
        **{key: given[key] for key in ("profile", "require", "model", "labels", "fit", "threads")},
    )


def names(given: Sequence[str]) -> list[str]:
    """What sources are called on the page: short, of plain letters, and each once. No address of a stream is shown."""
    found: list[str] = []
    for source in given:
        word = urlsplit(source).hostname or "stream" if "://" in source else Path(source).stem or source
        if re.match(r"(pi)?camera:\d|\w+:$|/dev/|v4l2:", source):
            word = source.rpartition("/")[2].rstrip(":")
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", word).strip("-._")[:40] or "camera"
        numbered = (f"{plain}-{number}" for number in count(2))
        found.append(next(name for name in chain([plain], numbered) if name not in found))
    return found


def _web(given: dict[str, Any]) -> Web:
    if bool(given["certificate"]) != bool(given["key"]):
        raise ConfigError("a certificate and its key belong together; give --certificate and --key")
    return Web(
        listen=given["listen"] or LISTEN,
        token_file=given["token_file"],
        insecure=given["insecure"],
        certificate=given["certificate"],
        key=given["key"],
        hosts=list(given["hosts"]),
    )


def _tell(shown: Shown, chosen: str, opens: bool | None) -> None:
    """Say where the page is, and open it. chosen: what nobody named, in words."""
    from edge.cli import qr
    from edge.demo import reach

    if opens is None:  # a token would stand on the browser's command line, which others on this machine can read
        opens = reach.has_desktop() and shown.token is None
    _say(chosen)
    opened = opens and reach.open_browser(shown.link)
    _say(f"{shown.link}  ({'Ctrl-C ends' if opened else 'open it in a browser; Ctrl-C ends'})")
    if shown.fingerprint is not None:
        _say(f"the browser warns once, for nobody vouches for this certificate: SHA-256 {shown.fingerprint}")
    if not shown.is_local and shown.url.startswith("http:"):
        _say("it is no https: who is on the way can read token and pictures; --certificate and --key make it so")
    if opened:
        return
    if not shown.is_local:
        qr.show(shown.link)
    elif not reach.has_desktop():  # a telephone cannot reach what only this machine can
        port = urlsplit(shown.url).port
        tunnel = f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}"
        _say(f"from another machine: `{tunnel}` there, or --listen :{port} here, which shows a QR code")


def _say(words: str) -> None:
    if words:
        click.echo(f"edge: {words}", err=True)


def _beside(window: bool, terminal: bool, given: dict[str, Any]) -> Callable[[Life, Flag], None] | None:
    """What shows it in place of a page; None: the page. Raises an EdgeError where that cannot be."""
    if not window and not terminal:
        return None
    if window and terminal:
        raise ConfigError("--window and --terminal are two views; give one of them")
    view = "window" if window else "terminal"
    wrong = [f"--{name.replace('hosts', 'host').replace('_', '-')}" for name in OF_PAGE if given[name]]
    if wrong:
        raise ConfigError(f"{wrong[0]} is for the page, which --{view} takes the place of; leave one of them out")
    if window:
        from edge.demo import window as in_window

        in_window.must_have_windows()
        return lambda life, over: in_window.show(lambda: [post.vitals for post in life.posts], over)
    from rich.console import Console

    from edge.demo import terminal as in_terminal

    console = Console()
    in_terminal.must_be_terminal(console)
    return lambda life, over: in_terminal.show(lambda: [post.vitals for post in life.posts], over, console)
