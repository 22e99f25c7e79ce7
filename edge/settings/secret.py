"""Secrets: from systemd's credentials, or from files that nobody else may read."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from urllib.parse import quote

from edge.errors import ConfigError, one_line
from edge.files import printable, read_small
from edge.settings.keys import Settings, Web

MQTT_PASSWORD = "mqtt-password"
SOURCE_PASSWORD = "source-password"
WEB_TOKEN = "web-token"
"""The names of the credentials, as in `LoadCredential=mqtt-password:…`; systemd.exec(5), "Credentials"."""

MOST_BYTES = 4096


def mqtt_password(settings: Settings) -> str | None:
    """The password for the broker: of the credential where there is one, else of `mqtt.password_file`; None: neither.

    Raises ConfigError where it cannot be read, is no text, or others may read it.
    """
    given = settings.mqtt.password_file if settings.mqtt else None
    return _secret(MQTT_PASSWORD, "mqtt.password_file", given)


def source_of(settings: Settings) -> str | None:
    """The source as it is opened: with the password of its user, where that is a secret of its own.

    `edge.files.printable` shows it without. Raises ConfigError as `mqtt_password` does.
    """
    source = settings.source
    if source is None or "@" not in source or "://" not in source:
        return source
    password = _source_password(settings)
    scheme, _, rest = source.partition("://")
    user, _, place = rest.partition("@")
    return source if password is None else f"{scheme}://{user}:{quote(password, safe='')}@{place}"


def own_password(settings: Settings) -> str | None:
    """The name of the credential that is the password of one of several cameras; None where there is one camera.

    systemd makes it of a file in a folder, which may stand in the place of a credential's file: systemd.exec(5).
    """
    return f"{SOURCE_PASSWORD}_{settings.camera[0].name}" if settings.camera else None


def _source_password(settings: Settings) -> str | None:
    """The nearest there is: of this camera alone, before that of all cameras of a process."""
    key, given, own = "source_password_file", settings.source_password_file, own_password(settings)
    if own is not None and (credential(own) or settings.camera[0].source_password_file):
        return _secret(own, key, given)
    return _secret(SOURCE_PASSWORD, key, given)


def web_token(web: Web) -> str | None:
    """What is kept of the page's token: of the credential where there is one, else of `web.token_file`; None: neither.

    Raises ConfigError as `mqtt_password` does.
    """
    return _secret(WEB_TOKEN, "web.token_file", web.token_file)


def credential(name: str) -> Path | None:
    """The file in which systemd passes a credential; None where it passes none of that name.

    A blank one is none: a unit must pass something, also where the administrator has written no file.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    with contextlib.suppress(OSError):
        return Path(folder, name) if read_small(Path(folder, name), MOST_BYTES).strip() else None
    return None


def _secret(name: str, key: str, given: str | None) -> str | None:
    path = credential(name)
    if path is not None:
        return _read(path, f"the credential {name}")
    return None if given is None else _read(private(Path(given), key), f"{key}: {printable(given)}")


def private(path: Path, key: str) -> Path:
    """The path of a file that only its owner may read. Raises ConfigError where it is none."""
    shown = printable(path)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        advice = (
            "have `edge service token` write it" if "token" in key else "write the secret into that file, mode 0600"
        )
        raise ConfigError(f"{key}: {shown}: {reason}; {advice}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{key}: {shown}: no regular file; write the secret into a file of mode 0600")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise ConfigError(f"{key}: {shown}: others may read it (mode {mode:04o}); run `chmod 600 {shown}`")
    return path


def _read(path: Path, called: str) -> str:
    try:
        text = read_small(path, MOST_BYTES).decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{called}: {error.strerror}; make it readable for the user of the service") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{called}: no text in UTF-8; write one line into it") from error
    if not text or "\n" in text or "\0" in text:
        raise ConfigError(f"{called}: {'holds more than one line' if text else 'is empty'}; write one line into it")
    return text
