"""What schemathesis makes of the OpenAPI document, asked of a server that runs: with all its checks and phases.

It is a program of its own, found on the PATH: its needs do not have to agree with ours.
"""

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from urllib.request import Request, urlopen

import pytest

from edge.web.token import make

SCHEMATHESIS = shutil.which("schemathesis")
EXAMPLES = os.environ.get("EDGE_EXAMPLES", "25")
"""Of each operation and phase."""

pytestmark = pytest.mark.skipif(SCHEMATHESIS is None, reason="schemathesis is not on the PATH")


@contextmanager
def demo(folder, *options):
    """`edge demo`, as a user begins it; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "edge", "demo", "--no-open", "--listen", f"127.0.0.1:{port}", *options]
    with subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield address(process)
            assert process.poll() is None, "it was asked to death"
        finally:
            process.terminate()
            told = process.communicate(timeout=30)[1]
            assert "Traceback" not in told and "fault of edge" not in told, told
    assert process.returncode == 0


def address(process):
    """Where it is; it is ended where it does not say."""
    late = Timer(60, process.kill)
    late.start()
    try:
        line = next((line for line in process.stderr if "http://" in line), None)
    finally:
        late.cancel()
    assert line is not None, "it tells no address"
    return line.removeprefix("edge: ").split()[0].partition("#")[0]


def checked(folder, url, *options, token=None):
    """Have it asked; token: with which the document is got."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urlopen(Request(f"{url}api/v1/openapi.json", headers=headers), timeout=30) as answer:
        Path(folder, "openapi.json").write_bytes(answer.read())
    line = [SCHEMATHESIS, "run", "openapi.json", "--url", f"{url}api/v1", "--checks", "all", "--mode", "all",
            "--max-examples", EXAMPLES, "--request-timeout", "10", "--no-color", *options]  # fmt: skip
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_a_camera_answers_as_its_document_says(tmp_path):
    with demo(tmp_path, "sample:") as url:
        checked(tmp_path, url)


def test_several_cameras_answer_as_their_document_says(tmp_path):
    with demo(tmp_path, "sample:", "sample:") as url:
        checked(tmp_path, url)


def test_a_browsers_camera_that_has_not_come_yet_answers_as_its_document_says(tmp_path):
    with demo(tmp_path, "--browser-camera") as url:
        checked(tmp_path, url)


@pytest.mark.parametrize("is_sent", [True, False])
def test_where_a_token_is_needed_it_answers_so_with_it_and_without(tmp_path, is_sent):
    token, kept = make()
    file = Path(tmp_path, "token")
    file.write_text(kept.line)
    file.chmod(0o600)
    with demo(tmp_path, "sample:", "--token-file", str(file)) as url:
        checked(tmp_path, url, *(["--header", f"Authorization: Bearer {token}"] if is_sent else []), token=token)
