"""The token, and what is kept of it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.settings import Web
from edge.web import kept_of
from edge.web.token import LONGEST, MOST_NR, Kept, make, read


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_a_token_that_is_made_fits_what_is_kept_of_it_which_does_not_hold_it():
    token, kept = make()
    assert len(token) >= 32, "192 bits, in base64"
    assert kept.fits(token) and not kept.fits(token[:-1]) and not kept.fits("")
    again = read(kept.line + "\n", "the file")
    assert again == kept and token not in kept.line and kept.line.startswith("scrypt$16384$8$1$")
    assert make()[0] != token and make()[1].salt != kept.salt


def test_the_hash_is_that_of_rfc_7914():
    """Section 12, the second and third vector."""
    for password, salt, n, r, p, hashed in (
        ("password", b"NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d9"
         "2e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
        ("pleaseletmein", b"SodiumChloride", 16384, 8, 1, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545d"
         "a1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
    ):  # fmt: skip
        kept = Kept(n, r, p, salt, bytes.fromhex(hashed))
        assert kept.fits(password) and not kept.fits(password + "x")


def test_what_is_far_too_long_is_no_token_and_costs_nothing():
    costly = Kept(MOST_NR, 8, 1, bytes(16), bytes(32))
    assert not costly.fits("x" * (LONGEST + 1))


SALT, HASH = b64(bytes(16)), b64(bytes(32))


@pytest.mark.parametrize(
    "line",
    [
        "", "scrypt", "my secret word", f"bcrypt$16384$8$1${SALT}${HASH}", f"scrypt$16384$8$1${SALT}",
        f"scrypt$16384$8$1${SALT}${HASH}$more", f"scrypt$16383$8$1${SALT}${HASH}", f"scrypt$1$8$1${SALT}${HASH}",
        f"scrypt$0$8$1${SALT}${HASH}", f"scrypt$-2$8$1${SALT}${HASH}", f"scrypt$16384$0$1${SALT}${HASH}",
        f"scrypt$16384$8$0${SALT}${HASH}", f"scrypt$262144$8$1${SALT}${HASH}", f"scrypt$131072$16$1${SALT}${HASH}",
        f"scrypt$16384$33$1${SALT}${HASH}", f"scrypt$16384$8$5${SALT}${HASH}", f"scrypt$x$8$1${SALT}${HASH}",
        f"scrypt$16384$8$1${b64(bytes(7))}${HASH}", f"scrypt$16384$8$1${SALT}${b64(bytes(15))}",
        f"scrypt$16384$8$1${SALT}$no base64!", f"scrypt$16384$8$1$é${HASH}", f"scrypt${'9' * 5000}$8$1${SALT}${HASH}",
    ],
)  # fmt: skip
def test_a_line_that_was_not_written_by_the_command_is_said(line):
    with pytest.raises(ConfigError, match=r"^the file: is not what `edge service token` writes; run that again$"):
        read(line, "the file")


@given(st.one_of(st.text(max_size=200), st.lists(st.text(max_size=9), min_size=6, max_size=6).map("$".join)))
def test_any_text_is_read_or_refused_and_nothing_else_happens(line):
    try:
        read(line, "x")
    except ConfigError as error:
        assert line not in str(error) or len(line) < 60, "what may be a secret is not told"


# --- who needs one


@pytest.mark.parametrize("listen", [Web().listen, "127.0.0.1:80", "[::1]:80", "localhost:8080", "127.9.9.9:1"])
def test_by_default_only_this_machine_reaches_the_page_which_then_needs_no_token(listen):
    assert kept_of(Web(listen=listen)) is None


@pytest.mark.parametrize(
    "listen", [":8080", "0.0.0.0:80", "[::]:80", "192.0.2.1:80", "raspberrypi:80", "localhost.evil:1"]
)
def test_beyond_this_machine_there_is_no_page_without_a_token_unless_that_is_said(listen):
    with pytest.raises(ConfigError, match=r"make one with `edge service token`, or say `insecure = true`"):
        kept_of(Web(listen=listen))
    assert kept_of(Web(listen=listen, insecure=True)) is None
    made = make()[1]
    assert kept_of(Web(listen=listen), made) == made


def test_what_is_kept_is_read_from_a_file_of_its_owner_alone(tmp_path):
    path, made = tmp_path / "door.web-token", make()[1]
    path.write_text(made.line)
    path.chmod(0o640)
    for listen in (":8080", "127.0.0.1:8080"):
        with pytest.raises(ConfigError, match="others may read it"):
            kept_of(Web(listen=listen, token_file=str(path)))
    path.chmod(0o600)
    assert kept_of(Web(token_file=str(path))) == made, "also where only this machine comes"
    path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        kept_of(Web(token_file=str(path)))


def test_a_credential_takes_the_place_of_the_file(tmp_path, monkeypatch):
    made = make()[1]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "web-token").write_text("\n")
    with pytest.raises(ConfigError, match="there is no token"):
        kept_of(Web(listen=":8080"))
    (tmp_path / "web-token").write_text(made.line)
    assert kept_of(Web(listen=":8080", token_file="/nowhere")) == made
