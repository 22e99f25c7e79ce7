"""The file of a camera: what is taken, what is refused and in which words, and 5,000 that nobody would write."""

import json
import random
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.files import printable
from edge.settings import Camera, Rules, Settings, differs, each, load, mqtt_password, source_of
from edge.settings.keys import TABLES
from edge.settings.schema import schema
from edge.web.token import make

FULL = """
name = "front-door"
profile = "pc"
source = "rtsp://camera@10.0.0.7/stream"
source_password_file = "front-door.source-password"
repeat = false
model = "mobilenet_v2_1.0_224_int8"
labels = "labels.txt"
fit = "crop"
threads = 2
require = "litert"
task = "classify"

[rules]
labels = ["tabby", "Egyptian cat"]
threshold_in = 0.7
threshold_out = 0.3
smooth_s = 1
confirm_frames = 5
confirm_s = 0.5
clear_frames = 6
clear_s = 3.5
cooldown_s = 60
active = ["07:00-22:30", "23:00-01:00"]

[events]
keep_days = 30
keep_mb = 10
spool = 100

[recovery]
patience_s = 60
hot_c = 70
fps = 15

[mqtt]
host = "homeassistant.local"
port = 8883
version = "3.1.1"
tls = true
ca_file = "/etc/ssl/house.pem"
username = "camera"
password_file = "front-door.mqtt-password"
prefix = "home/edge"
discovery = ""
state_s = 5
pictures = false

[web]
listen = "[::1]:8080"
viewers = 2
fps = 15
token_file = "front-door.web-token"
insecure = false
certificate = "house.pem"
key = "house.key"
hosts = ["door.example.org"]

[snapshots]
annotated = false
before_s = 0
per_s = 1
quota_mb = 100
quality = 70
width = 640

[metrics]
listen = ":9464"
"""


@pytest.fixture
def written(tmp_path):
    """Writes a camera's file."""

    def write(text, name="front-door.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is taken


def test_a_file_that_says_nothing_is_a_camera_of_its_name(written):
    assert load(written("")) == Settings(name="front-door")


def test_every_key_is_taken(written, tmp_path):
    settings = load(written(FULL))
    assert settings.mqtt.version == "3.1.1" and settings.mqtt.discovery == "" and settings.recovery.fps == 15
    assert settings.rules.labels == ["tabby", "Egyptian cat"] and settings.rules.active[1] == "23:00-01:00"
    told = msgspec.toml.decode(FULL.encode())
    for table, keys in msgspec.to_builtins(settings).items():
        for key in keys if isinstance(keys, dict) else ():
            assert key in told[table], f"{table}.{key}: the file above lacks it"
    assert set(told) == set(Settings.__struct_fields__) - {"camera"}


SEVERAL = """
name = "house"
model = "mobilenet_v2_1.0_224_int8"
[rules]
threshold_in = 0.7

[[camera]]
name = "door"
source = "rtsp://camera@10.0.0.7/stream"
source_password_file = "door.source-password"

[[camera]]
name = "yard"
source = "yard.mp4"
profile = "pc"
model = "yard.tflite"
labels = "yard.txt"
[camera.rules]
labels = ["tabby"]
"""


def test_each_of_several_cameras_has_what_the_file_says_for_all_and_its_own(written, tmp_path):
    settings = load(written(SEVERAL))
    door, yard = each(settings)
    assert (door.name, yard.name) == ("house-door", "house-yard")
    assert door.source == "rtsp://camera@10.0.0.7/stream" and yard.source == str(tmp_path / "yard.mp4")
    assert door.source_password_file == str(tmp_path / "door.source-password") and yard.source_password_file is None
    assert door.model == "mobilenet_v2_1.0_224_int8" and yard.model == str(tmp_path / "yard.tflite")
    assert door.rules.threshold_in == 0.7 and yard.rules == Rules(labels=["tabby"])
    assert yard.profile == "pc" and yard.labels == str(tmp_path / "yard.txt")
    told = msgspec.toml.decode(SEVERAL.encode())["camera"]
    assert set(told[0]) | set(told[1]) == set(Camera.__struct_fields__)
    assert each(load(written("", "alone.toml")))[0].name == "alone"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('source = "camera:0"\n[[camera]]\nname = "a"', "source: is of one camera"),
        ('[[camera]]\nname = "a"\n[[camera]]\nname = "b"\nsource = "b.mp4"', "camera[0].source: this key is needed"),
        ('[[camera]]\nname = "a"\nsource = "a.mp4"\n' * 2, "camera[1].name: a is the name of one before"),
        ('[[camera]]\nsource = "a.mp4"', "camera[0].name: this key is needed"),
        ('[[camera]]\nname = "a"\nsorce = "x"', "camera[0].sorce: unknown key; do you mean source?"),
        ('[[camera]]\nname = "a"\n[camera.rules]\nthreshold_in = 2', "camera[0].rules.threshold_in: "),
        ('[[camera]]\nname = "a"\n[camera.rules]\nthreshold_in = 0.1', "camera[0].rules.threshold_out: "),
        ('[[camera]]\nname = "a"\nsource = "rtsp://u:p@h/"', "camera[0].source: holds a password"),
        ('[camera]\nname = "a"', "camera: expected a list"),
        ("camera = [3]", "camera[0]: expected a table"),
        ('[web]\ncertificate = "a.pem"', "web.key: this key is needed where there is a certificate"),
        ('[web]\nkey = "a.key"', "web.certificate: this key is needed where there is a key"),
        ('[web]\ninsecure = true\ntoken_file = "t"', "web.insecure: is of no use with a token_file"),
    ],
)
def test_what_is_wrong_of_several_cameras_and_of_a_page_is_said_by_its_key(written, text, said):
    assert said in refused(written(text))


def test_a_section_that_is_there_and_empty_has_the_defaults(written):
    settings = load(written("[web]\n[metrics]\n"))
    assert settings.web.listen == "127.0.0.1:8080" and settings.metrics.listen == "127.0.0.1:9464"
    assert settings.mqtt is None and settings.snapshots is None


def test_paths_are_taken_from_the_folder_of_the_file_wherever_one_stands(written, tmp_path, monkeypatch):
    written('source = "clips/a.mp4"\nmodel = "a.tflite"\nprofile = "p.toml"\nlabels = "a.txt"\n[mqtt]\nhost = "x"\n'
            'username = "u"\npassword_file = "x.pw"\n')  # fmt: skip
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = load(Path("../front-door.toml"))
    for given_, name in ((settings.source, "clips/a.mp4"), (settings.model, "a.tflite"), (settings.profile, "p.toml"),
                         (settings.labels, "a.txt"), (settings.mqtt.password_file, "x.pw")):  # fmt: skip
        assert Path(given_).is_absolute() and Path(given_).resolve() == tmp_path / name


@pytest.mark.parametrize("source", ["camera:0", "v4l2:///dev/video0", "http://host/a", "sample:", "/abs/a.mp4"])
def test_what_is_no_relative_path_stays_as_it_is(written, source):
    settings = load(written(f'source = "{source}"\nmodel = "mobilenet_v2_1.0_224_int8"\nprofile = "pc"\n'))
    assert (settings.source, settings.model, settings.profile) == (source, "mobilenet_v2_1.0_224_int8", "pc")


# --- what is refused, and how


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 3", "colour: unknown key; the file takes: name, profile"),
        ("[rules]\nthreshold = 0.5", "rules.threshold: unknown key; do you mean threshold_"),
        ("threshold_in = 0.5", "threshold_in: unknown key; it belongs below [rules]"),
        ("[rules]\nsource = 'camera:0'", "rules.source: unknown key; it belongs above the first [table]"),
        ("[web]\ncolour = 3", "web.colour: unknown key; [web] takes: listen, viewers"),
        ("[mqtt]\nhost = 'x'\npassword = 'secret'", "mqtt.password: unknown key; a secret has no place in this file"),
        ("[mqtt]\nport = 1", "mqtt.host: this key is needed"),
        ("[mqtt]\nhost = 'mqtt://host'", "mqtt.host: is more than a name; the port goes into mqtt.port"),
        ("[mqtt]\nhost = 'host:1883'", "mqtt.host: is more than a name; the port goes into mqtt.port"),
        ("[mqtt]\nhost = 'home assistant'", "mqtt.host: is more than a name"),
        ("[mqtt]\nhost = '[::1]:1883'", "mqtt.host: is more than a name"),
        ("[mqtt]\nhost = 'x'\nport = '1883'", "mqtt.port: expected a whole number, got text in quotes"),
        ("[mqtt]\nhost = 'x'\nport = 0", "mqtt.port: expected a whole number >= 1"),
        ("[mqtt]\nhost = 'x'\nversion = '4'", 'mqtt.version: invalid enum value \'4\'; give one of "3.1.1", "5"'),
        ("[mqtt]\nhost = 'x'\nprefix = 'a/#'", 'mqtt.prefix: does not fit; give one like "edge"'),
        ("[mqtt]\nhost = 'x'\nca_file = 'a.pem'", "mqtt.ca_file: is of no use without encryption"),
        ("[mqtt]\nhost = 'x'\npassword_file = 'a'", "mqtt.username: this key is needed where there is a password_file"),
        ("mqtt = 3", "mqtt: expected a table, got a whole number"),
        ("web = true", "web: expected a table, got true or false"),
        ("fit = 'stretch'", "fit: invalid enum value 'stretch'; give one of"),
        ("task = 'detect'", "task: invalid enum value 'detect'; give one of \"classify\""),
        ("rules = []", "rules: expected a table, got a list"),
        ("name = 2026-01-01", "name: expected text in quotes, got a date"),
        ("name = 'front door'", 'name: does not fit; give one like "front-door"'),
        ("[rules]\nthreshold_in = nan", "rules.threshold_in: expected a number >= 0.0"),
        ("[rules]\nthreshold_in = 1.5", "rules.threshold_in: expected a number <= 1.0"),
        ("[rules]\nthreshold_in = 0.3\nthreshold_out = 0.5", "rules.threshold_out: 0.5 is above rules.threshold_in"),
        ("[rules]\nlabels = ['a', 3]", "rules.labels[1]: expected text in quotes, got a whole number"),
        ("[rules]\nlabels = ['']", "rules.labels[0]: expected text in quotes of length >= 1"),
        ("[rules]\nactive = ['7-22']", 'rules.active[0]: does not fit; give one like "07:00-22:30"'),
        ("[rules]\nactive = ['07:00-07:00']", "rules.active[0]: 07:00-07:00 ends when it begins"),
        ("[web]\nlisten = '8080'", 'web.listen: does not fit; give one like "127.0.0.1:8080"'),
        ("[web]\nlisten = ':70000'", "web.listen: :70000 names no port; give one up to 65535"),
        ("[web]\nlisten = ':80'\n[metrics]\nlisten = ':80'", "metrics.listen: :80 is web.listen, too"),
        ("[web]\nlisten = ':80'\n[metrics]\nlisten = '[::1]:80'", "metrics.listen: [::1]:80 is web.listen, too"),
        ("source = 'rtsp://me:secret@host/'", "source: holds a password, which has no place in this file"),
        ("source_password_file = 'a'", "source_password_file: belongs to a source with a user"),
        ('source = "a\\u001bb"', "source: holds a character that cannot be shown"),
        ('[rules]\nlabels = ["a", "b\\n"]', "rules.labels[1]: holds a character that cannot be shown"),
        ("a = = 1", "not TOML"),
        (b"\xff", "not TOML"),
        ("x = " + "[" * 20_000, "not TOML"),
        ("threads = " + "9" * 5_000, "not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_path_of_the_key(written, text, words):
    assert words in refused(written(text))


def test_a_secret_that_was_written_into_the_file_is_not_repeated(written):
    assert "secret1" not in refused(written("source = 'rtsp://me:secret1@host/'"))
    assert "secret1" not in refused(written("[mqtt]\nhost = 'x'\npassword = 'secret1'"))


def test_the_name_of_a_file_that_is_none_for_a_camera_is_refused(written):
    assert "name: the file's name 'front door' is none for a camera" in refused(written("", "front door.toml"))
    assert load(written('name = "a"', "front door.toml")).name == "a"


@pytest.mark.parametrize("where", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, where):
    assert "cannot be read" in refused(tmp_path / where)


def test_a_file_larger_than_any_is_refused(written):
    assert "larger than 64 KiB" in refused(written("#" * (70 << 10)))


def test_all_that_is_wrong_is_counted(written):
    assert "(2 more: `edge service check" in refused(written("a = 1\nb = 2\n[rules]\nc = 3\n"))


@pytest.mark.parametrize("key", ["a`b", "a b", "rules.x", "", "\u2028", "a - at `$.x`", "[0]", "é"])
def test_a_key_that_nobody_would_write_is_refused_in_one_line(written, key):
    assert "unknown key" in refused(written(f"{json.dumps(key)} = 1\n"))


# --- what differs


def test_what_differs_is_told_by_its_part():
    old = Settings(name="a")
    change = msgspec.structs.replace
    assert differs(old, old) == frozenset()
    assert differs(old, change(old, model="x")) == {"pipeline"}
    assert differs(old, change(old, name="b", source="camera:1")) == {"name", "pipeline"}
    for table in ("rules", "events", "recovery", "mqtt", "web", "snapshots", "metrics"):
        assert differs(old, change(old, **{table: object()})) == {table}


def test_no_key_is_left_out_of_what_differs():
    old = Settings(name="a")
    for key in set(Settings.__struct_fields__) - {"camera"}:
        assert differs(old, msgspec.structs.replace(old, **{key: object()})), key
    one, other = Settings(name="a", camera=[Camera(name="b")]), Settings(name="a", camera=[Camera(name="c")])
    assert differs(old, one) == differs(one, other) == {"name"}


# --- secrets


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """Writes the password file of a camera; returns its settings."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    def write(data=b"pa ss\n", mode=0o600):
        path = tmp_path / "pw"
        path.write_bytes(data)
        path.chmod(mode)
        file = tmp_path / "a.toml"
        file.write_text('source = "rtsp://me@host:554/x@y"\nsource_password_file = "pw"\n'
                        '[mqtt]\nhost = "x"\nusername = "u"\npassword_file = "pw"\n')  # fmt: skip
        return load(file)

    return write


def test_a_password_is_read_from_a_file_of_mode_0600(secret):
    assert mqtt_password(secret()) == "pa ss"
    assert source_of(secret(b"p@s/s\n")) == "rtsp://me:p%40s%2Fs@host:554/x@y"
    assert mqtt_password(Settings(name="a")) is None and source_of(Settings(name="a", source="camera:0")) == "camera:0"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_password_that_others_may_read_or_write_is_refused(secret, mode):
    with pytest.raises(ConfigError, match=f"mqtt.password_file: .*others may read it .mode {mode:04o}.; run `chmod"):
        mqtt_password(secret(mode=mode))


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"a\nb", "one line"), (b"\xff", "UTF-8"), (b"a" * 9999, "larger")],
)  # fmt: skip
def test_a_file_that_holds_no_password_is_refused(secret, data, words):
    with pytest.raises(ConfigError, match=words):
        mqtt_password(secret(data))


def test_a_password_file_that_is_missing_or_none_is_refused(secret, tmp_path):
    settings = secret()
    (tmp_path / "pw").unlink()
    with pytest.raises(ConfigError, match=r"mqtt.password_file: .*No such file.*mode 0600"):
        mqtt_password(settings)
    (tmp_path / "pw").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="no regular file"):
        mqtt_password(settings)


def test_a_credential_of_systemd_comes_before_the_file(secret, tmp_path, monkeypatch):
    settings = secret()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert mqtt_password(settings) == "pa ss"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "mqtt-password").write_text("other\n")
    (tmp_path / "credentials" / "source-password").write_text("cam")
    assert mqtt_password(settings) == "other" and source_of(settings).startswith("rtsp://me:cam@host")
    (tmp_path / "credentials" / "mqtt-password").write_text("\n")
    assert mqtt_password(settings) == "pa ss"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:secret@host:554/x", "rtsp://me:…@host:554/x"),
        ("http://me:p@ss:word@host/x@y", "http://me:…@host/x@y"),
        ("http://me@host/a:b@c", "http://me@host/a:b@c"),
        ("/srv/a:b@c.mp4", "/srv/a:b@c.mp4"),
    ],
)
def test_a_password_in_an_address_is_never_shown(address, shown):
    assert printable(address) == shown


# --- the schema


def test_the_schema_tells_every_key_its_meaning_and_no_null():
    whole = schema()
    text = json.dumps(whole)
    assert "null" not in text and "None" not in text
    tables = {"": whole, **whole["$defs"]}
    for table in tables.values():
        assert table["additionalProperties"] is False and table["description"]
        for key, said in table["properties"].items():
            assert said.get("description") or "$ref" in said, key
    assert whole["properties"]["mqtt"] == {"$ref": "#/$defs/Mqtt"}
    assert whole["properties"]["fit"]["enum"] == ["crop", "letterbox", "squash"]
    assert whole["$defs"]["Mqtt"]["required"] == ["host"]
    assert whole["$defs"]["Recovery"]["properties"]["fps"]["exclusiveMinimum"] == 0


def test_the_command_prints_the_schema(cli):
    ran = cli("service", "schema")
    assert ran.code == 0 and json.loads(ran.out) == schema()


def test_the_schema_that_is_published_is_the_one_that_counts():
    published = Path(__file__).parents[1] / "systemd" / "edge.schema.json"
    assert json.loads(published.read_text()) == schema(), f"`edge service schema > {published}`"


# --- what nobody would write

SECTIONS = [*TABLES]

VALUES = """
true 0 1 -1 0.5 1e999 nan -inf 99999999999999999999 '' 'a' 'x.tflite' [] ['a'] [1] [[]] {} {a=1} 2026-01-01 07:00:00
2026-01-01T00:00:00Z 'camera:0' 'sample:' '/' '..' 'rtsp://a:b@c/d' 'rtsp://a@c/d' 'http://x' 'scripted:frames' ':80'
'[::1]:1' '07:00-08:00' 'tabby' "\\u0000" "\\u001b[2J" "\\n" 'é' '*.jpg' '[a' 'picamera:99' 'v4l2:///dev/null' 'crop'
""".split()  # noqa: SIM905


def mutated(chance, whole):
    """The text of a file: that of one that is right, with something done to it, or one of random bytes, or keys."""
    kind = chance.randrange(5)
    data = bytearray(whole.encode())
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:  # as a disk that fails leaves it
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)
    if kind == 2:  # as one that is half written
        return bytes(data[: chance.randrange(len(data))])
    return "\n".join(made(chance) if kind == 3 else edited(chance, whole.splitlines())).encode()


def made(chance):
    """Keys of all tables, with values of all kinds."""
    for table in ["", *chance.sample(SECTIONS, chance.randrange(len(SECTIONS)))]:
        yield f"[{table}]" if table else ""
        known = [*TABLES[table].__struct_fields__] if table else [*Settings.__struct_fields__]
        for key in chance.sample(known, chance.randrange(min(4, len(known)) + 1)):
            yield f"{key if chance.random() < 0.9 else key[1:]} = {chance.choice(VALUES)}"


def edited(chance, lines):
    """As somebody edits it who looks elsewhere."""
    for _ in range(chance.randrange(1, 4)):
        place, how = chance.randrange(len(lines)), chance.randrange(5)
        if how == 0:
            lines.insert(place, chance.choice(lines))
        elif how == 1:
            lines[place] = re.sub(r"=.*", lambda _: f"= {chance.choice(VALUES)}", lines[place])
        elif how == 2:
            lines[place] = "".join(chance.sample(lines[place], len(lines[place])))
        else:
            del lines[place]
    return lines


def taken(path):
    try:
        load(path)
        return True
    except ConfigError as error:
        assert "\n" not in str(error) and str(error).startswith(f"{path}: ")
        return False


def test_each_of_several_cameras_has_the_password_that_is_nearest_to_it(tmp_path, monkeypatch):
    """Its own credential, its own file, the credential of all: in this order."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "own").write_text("own")
    (tmp_path / "own").chmod(0o600)
    text = ""
    for name, more in (("door", "source_password_file = 'own'\n"), ("yard", "")):
        text += f"[[camera]]\nname = '{name}'\nsource = 'rtsp://me@host/'\n{more}"
    (tmp_path / "house.toml").write_text(text)
    door, yard = each(load(tmp_path / "house.toml"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert [source_of(one) for one in (door, yard)] == ["rtsp://me:own@host/", "rtsp://me@host/"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    (credentials / "source-password").write_text("common")
    assert [source_of(one) for one in (door, yard)] == ["rtsp://me:own@host/", "rtsp://me:common@host/"]
    for name in ("door", "yard"):
        (credentials / f"source-password_{name}").write_text(f"of-{name}")
    assert [source_of(one) for one in (door, yard)] == ["rtsp://me:of-door@host/", "rtsp://me:of-yard@host/"]


def test_each_camera_comes_first_in_its_own_list(tmp_path):
    (tmp_path / "house.toml").write_text("".join(f"[[camera]]\nname = '{n}'\nsource = 'camera:{n}'\n" for n in "012"))
    found = each(load(tmp_path / "house.toml"))
    assert [one.name for one in found] == ["house-0", "house-1", "house-2"]
    assert [[one.name for one in its.camera] for its in found] == [["0", "1", "2"], ["1", "0", "2"], ["2", "0", "1"]]


def test_five_thousand_files_are_refused_in_a_line_or_taken(tmp_path, cli, profile_file, monkeypatch):
    """All are loaded; one in twenty goes through the command, which looks at what it names, too."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    profile_file()
    for secret_ in ("source-password", "mqtt-password", "web-token"):
        (tmp_path / f"front-door.{secret_}").write_text(make()[1].line)
        (tmp_path / f"front-door.{secret_}").chmod(0o600)
    whole = re.sub(r'^(certificate|key) = ".*"\n', "", FULL, flags=re.MULTILINE)
    for key, value in {
        "profile": "p.toml",
        "model": "tiny.tflite",
        "labels": "tiny.txt",
        "require": "scripted",
    }.items():
        whole = re.sub(rf'^{key} = "\w.*', f'{key} = "{value}"', whole, flags=re.MULTILINE)
    whole = whole.replace('["tabby", "Egyptian cat"]', '["class a"]').replace('ca_file = "/etc/ssl/house.pem"\n', "")
    path = tmp_path / "front-door.toml"
    path.write_text(whole)
    assert cli("service", "check", path).code == 0
    chance, codes = random.Random(6), {0: 0, 2: 0}
    count = 0
    for number in range(5_000):
        path.write_bytes(mutated(chance, whole))
        good = taken(path)
        count += good
        if number % 20 == 0:
            ran = cli("service", "check", path)
            codes[ran.code] += 1  # a KeyError: a code that no refusal has
            assert (ran.code == 0) == bool(ran.out), ran
            assert all(line.startswith(("edge: ", "note: ")) for line in ran.err.splitlines()), ran.err
            assert good or ran.code == 2
    assert count > 300 and min(codes.values()) > 10, (count, codes)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_taken(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    try:
        assert load(path).name
    except ConfigError as error:
        assert "\n" not in str(error)


# --- the page

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"


def test_the_page_tells_every_key_with_its_default():
    told = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        table = re.match(r"\[+(\w+)\]", part)
        for key, default in re.findall(r"^\| `(\w+)` \| (?:`(.*?)` )?\|", part, re.MULTILINE):
            told[table[1] if table else "", key] = default
    whole = schema()
    keys = {"": whole["properties"], **{t: whole["$defs"][TABLES[t].__name__]["properties"] for t in TABLES}}
    assert told == {
        (table, key): json.dumps(said["default"]) if "default" in said else ""
        for table, known in keys.items()
        for key, said in known.items()
        if key not in TABLES and table != "camera.rules"
    }


def test_the_examples_of_the_page_are_taken(written):
    found = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 3 and all(load(written(text)) for text in found)


def test_the_example_that_ships_is_taken_with_all_that_is_commented_out(written):
    text = (Path(__file__).parents[1] / "systemd" / "example.toml").read_text()
    load(written(text))
    settings = load(written(re.sub(r"^# (\w+ = |\[)", r"\1", text, flags=re.MULTILINE)))
    assert settings.mqtt and settings.web and settings.metrics and settings.rules.labels
