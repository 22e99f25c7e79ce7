"""The command `edge`. One file a command, loaded only when it is called, so that the first answer comes soon."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import signal
import sys
import threading
from functools import partial
from importlib import import_module
from typing import Any

import click

import edge
from edge.errors import ConfigError, EdgeError, one_line

COMMANDS = {
    "cameras": "List the cameras that are here, and whether they can be had.",
    "demo": "Show live what a camera sees, and what is made of it: in a browser, a window or a terminal.",
    "doctor": "Examine this machine: what it can run, and how to mend what it cannot.",
    "export": "Write a network as int8 or float, .tflite or ONNX.",
    "events": "Show what a camera saw: what appeared, changed and went.",
    "eval": "Score a model on labelled pictures.",
    "finetune": "Make a classifier from a folder of pictures.",
    "models": "List, describe, verify and fetch models.",
    "profiles": "List, show and check device profiles.",
    "run": "Classify what a camera, a stream, a video or pictures show.",
    "service": "Run a camera for years: as a systemd service, with events, MQTT, metrics and pictures.",
}


class Commands(click.Group):
    """A group whose commands are modules of a package. known: what each does, by its name."""

    def __init__(self, *arguments: Any, package: str, known: dict[str, str], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._package = package
        self._known = known

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, sorted."""
        return sorted(self._known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self._known:
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._known.items()))


class ToStderr(logging.Handler):
    """Writes to what stderr is at the moment: a view that is drawn on the terminal puts lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # its reader is gone, or it was closed
                sys.stderr.write(f"{self.format(record)}\n")  # in one piece: other threads write lines, too
                sys.stderr.flush()


HELP = {"help_option_names": ["-h", "--help"]}


@click.command(cls=Commands, package=__name__, known=COMMANDS, context_settings=HELP)
@click.version_option(edge.__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks; may stand anywhere.")
def cli(debug: bool) -> None:
    """Int8 MobileNetV2 on Raspberry Pi, Coral and Jetson: from a camera to an answer."""
    if sys.stdout is None:
        raise ConfigError("standard output is closed, so nothing can be shown; open it, or send it to a file")


def main() -> None:
    """Run `edge`."""
    begin(cli, "edge", sys.argv[1:])


def begin(command: click.Command, name: str, given: list[str]) -> None:
    """Run a command line: one line on stderr and an exit code for whatever goes wrong."""
    gc.disable()  # until `loaded`: loading makes no garbage, and looking for some takes a tenth of the start
    arguments = [argument for argument in given if argument != "--debug"]
    debug = len(arguments) < len(given)
    # FFmpeg and OpenCV would put lines of their own beside our one; set before OpenCV is loaded.
    if not debug:
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(format=f"{name}: %(message)s", level=level, handlers=[ToStderr()])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a label that the terminal cannot show must not end a run
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _leave(execute(arguments, debug, command, name))


def execute(arguments: list[str], debug: bool, command: click.Command = cli, name: str = "edge") -> int:
    """Run one command; returns its exit code."""
    say = partial(_say, name, debug)
    try:
        code: Any = command.main(arguments, prog_name=name, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (BrokenPipeError, SystemExit):  # click turns the one into the other, and raises no other SystemExit here
        return _quietly()
    except (KeyboardInterrupt, click.Abort):
        return say("stopped", 130)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            click.echo(error.format_message())
            return 0
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else name
        return say(f"{one_line(error.format_message())} See `{where} --help`.", error.exit_code)
    except EdgeError as error:
        return say(one_line(error), error.exit_code)
    except ImportError as error:
        return say(f"{one_line(error)}; the environment is broken: `pip check` tells what does not fit", 1)
    except OSError as error:
        return say(f"{one_line(error)}; check the disk, and the file or device that is named", 1)
    except Exception as error:  # noqa: BLE001 - the last line of defence of a command line
        return say(f"{type(error).__name__}: {one_line(error)}; a fault of edge: see more with --debug", 1)


def loaded() -> None:
    """Say that all is loaded: what is there by now stays, and what comes is collected as ever."""
    gc.freeze()
    gc.enable()


def _leave(code: int) -> None:
    """End the process; at once where a thread hangs in a driver or a pipe, for whose locks Python would wait."""
    if any(thread.name.startswith("edge-") for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:  # Python would say so once more at its end, and leave with 120
        _quietly()
        code = code or int(not isinstance(error, BrokenPipeError))
    sys.exit(code)


def _say(name: str, debug: bool, message: str, code: int) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    if sys.stderr is not None:  # else print would take stdout, which belongs to the results
        sys.stderr.write(f"{name}: {message}\n")  # in one piece, as every line here
    return code


def _quietly() -> int:
    # Whoever read us went away, which is no fault; Python would complain when it flushes stdout at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
