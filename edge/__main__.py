"""`python -m edge`, the same as `edge`."""

import sys


def main() -> None:
    """Run `edge`. Ctrl-C ends it in a line as soon as anything of it runs, also while the command itself is loaded."""
    try:
        from edge.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("edge: stopped\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
