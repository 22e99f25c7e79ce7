"""`edge cameras`: what can be named as a source here."""

from __future__ import annotations

import click
import msgspec

from edge.attached import gather
from edge.cameras.v4l2.modes import Mode
from edge.cameras.v4l2.nodes import Found
from edge.errors import one_line

WIDE = 64
"""Columns of a camera's name, so that a line with its state has less than 80."""


@click.command("cameras")
@click.option("--modes", "with_modes", is_flag=True, help="Every size with its rates.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array on stdout, and nothing else.")
def command(with_modes: bool, as_json: bool) -> None:
    """List the cameras that are here, as `edge run` takes them, and say which can be had.

    The first name of a camera is short, and changes with what is plugged in; the second one stays the same. A camera
    that is busy or not permitted is listed with the reason and what mends it.
    """
    found = gather()
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for each in found:
        click.echo("\n".join(shown(each, with_modes)))
    if not found:
        click.echo("edge: no camera was found: plug one in, or name a stream, a video, pictures or sample:", err=True)


def shown(camera: Found, with_modes: bool) -> list[str]:
    """The lines that tell of a camera, the first of less than 80 columns."""
    state = "" if camera.state == "unknown" else camera.state
    name = f"{camera.name:<12}{one_line(camera.card, WIDE - 12)}"
    about = one_line(", ".join(part for part in (camera.driver, camera.bus) if part))
    lines = [f"{name:<{WIDE}}  {state}".rstrip()]
    lines += [f"            {camera.source}"] if camera.source != camera.name else []
    lines += [f"            {about}"] if about else []
    lines += [f"            {camera.why}", f"            {camera.mend}"] if camera.why else []
    return lines + (_every(camera.modes) if with_modes else _ends(camera.modes))


def _by_format(modes: tuple[Mode, ...]) -> dict[str, list[Mode]]:
    """Modes by their format, the smallest first."""
    formats: dict[str, list[Mode]] = {}
    for mode in sorted(modes, key=lambda mode: mode.width * mode.height):
        formats.setdefault(mode.fourcc, []).append(mode)
    return {fourcc: formats[fourcc] for fourcc in dict.fromkeys(mode.fourcc for mode in modes)}


def _ends(modes: tuple[Mode, ...]) -> list[str]:
    lines = []
    for fourcc, each in _by_format(modes).items():
        sizes = list(dict.fromkeys(f"{mode.width}x{mode.height}" for mode in (each[0], each[-1])))
        rates = [mode.rates[0] for mode in each if mode.rates]
        fast = f", up to {max(rates):g} FPS" if rates else ""
        lines.append(f"            {fourcc:<4}  {' to '.join(sizes)}{fast}")
    return lines


def _every(modes: tuple[Mode, ...]) -> list[str]:
    lines = []
    for fourcc, each in _by_format(modes).items():
        for mode in each:
            rates = f"{', '.join(f'{rate:g}' for rate in mode.rates)} FPS" if mode.rates else ""
            lines.append(f"            {fourcc:<4}  {f'{mode.width}x{mode.height}':<11} {rates}".rstrip())
    return lines
