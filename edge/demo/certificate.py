"""A certificate for this machine, made on the spot: browsers give a camera to no page by plain http, except on the
machine itself (W3C Secure Contexts, section 3.1; Media Capture and Streams, section 10.2)."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

from edge.errors import ConfigError, one_line

DAYS = 30

LIMIT_S = 30.0

ADVICE = "give a certificate with --certificate and --key, or reach this machine by `ssh -L 8080:127.0.0.1:8080`"


class Certificate(NamedTuple):
    """Two PEM files. fingerprint: SHA-256 of the certificate, as browsers show it."""

    certificate: Path
    key: Path
    fingerprint: str


def make(folder: Path, address: str, program: str = "openssl") -> Certificate:
    """Have OpenSSL make one that nobody vouches for. address: that it is for, besides the names of this machine.

    Raises ConfigError where there is no OpenSSL, or it cannot.
    """
    path = shutil.which(program)
    if path is None:
        raise ConfigError(f"a browser gives its camera only to https, and {program} is not installed; {ADVICE}")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    config = folder / "openssl.cnf"
    config.write_text(_config(address))
    words = ["req", "-x509", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"]
    files = ["-config", str(config), "-days", str(DAYS), "-keyout", str(key), "-out", str(certificate)]
    try:
        done = subprocess.run(
            [path, *words, *files], capture_output=True, text=True, timeout=LIMIT_S, umask=0o077, check=False
        )
        if done.returncode:
            raise OSError(done.stderr)
        data = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{program} makes no certificate ({one_line(error, 200)}); {ADVICE}") from error
    return Certificate(certificate, key, hashlib.sha256(data).digest().hex(":").upper())


def _config(address: str) -> str:
    """What OpenSSL is to put in: a subject takes no names of more than 64 characters, so that it is but a word."""
    short = socket.gethostname().partition(".")[0]
    kind = "DNS" if address.strip("0123456789.") and ":" not in address else "IP"
    names = dict.fromkeys((f"{kind}:{address}", "DNS:localhost", "IP:127.0.0.1", f"DNS:{short}", f"DNS:{short}.local"))
    return (
        "[req]\nprompt = no\ndistinguished_name = who\nx509_extensions = more\n"
        "[who]\nCN = edge demo\n"
        f"[more]\nsubjectAltName = {','.join(names)}\nbasicConstraints = critical,CA:FALSE\n"
        "keyUsage = critical,digitalSignature\nextendedKeyUsage = serverAuth\n"
    )
