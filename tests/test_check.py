"""`edge service check`: what a camera's file comes to on this machine, without anything being opened."""

import os
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.service.check import check, refuse
from edge.service.places import settings_file, state_folder
from edge.service.remarks import of_secret
from edge.settings import load


@pytest.fixture
def front_door(tmp_path, profile_file, monkeypatch):
    """Writes the file of a camera with a scripted interpreter and a tiny model: "class a" to "class l"."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    profile_file()

    def write(text="", name="front-door.toml", profile="profile = 'p.toml'\nsource = 'sample:'\nrepeat = true\n"):
        path = tmp_path / name
        path.write_text(f"{profile}{text}")
        return path

    return write


def wrong(path):
    return [str(fault) for fault in check(path).wrong]


def test_a_good_file_says_what_will_run(cli, front_door, tmp_path):
    (tmp_path / "pw").write_text("secret")
    (tmp_path / "pw").chmod(0o600)
    path = front_door(
        "[rules]\nlabels = ['class a', 'class c']\n[mqtt]\nhost = 'broker'\nusername = 'u'\npassword_file = 'pw'\n"
        "[web]\n[metrics]\n[snapshots]\n"
    )
    ran = cli("service", "check", path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"{path}: good",
        "  source: sample:, again and again",
        "  profile: p",
        "  interpreter 1: scripted, model tiny, 12 labels",
        "  rules: 2 labels count",
        "  mqtt: u@broker:1883, topics below edge/front-door/, Home Assistant's discovery below homeassistant/",
        "  events: kept for 90 days, 64 MB at most",
        "  snapshots: 500 MB at most",
        "  metrics: http://127.0.0.1:9464/",
        "  web: http://127.0.0.1:8080/, for whoever uses this machine",
    ]
    refuse(load(path))


def test_all_that_is_wrong_is_said_a_line_each(cli, front_door):
    path = front_door(
        "[rules]\nlabels = ['class z']\nthreshold_in = 'high'\n", profile="source = '/nowhere.mp4'\nx = 1\n"
    )
    ran = cli("service", "check", path)
    assert (ran.code, ran.out) == (2, "")
    told = [line.removeprefix(f"edge: {path}: ").split(": ")[0] for line in ran.err.splitlines()]
    assert told == ["x", "rules.threshold_in", "source", "rules.labels[0]"]


def test_a_camera_is_found_by_its_name():
    assert settings_file("front-door") == Path("/etc/edge/front-door.toml")
    assert settings_file("front-door.toml") == Path("front-door.toml")
    assert settings_file("cameras/front-door") == Path("cameras/front-door")


def test_the_state_of_a_camera_lies_where_systemd_says_else_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edge/front-door:/other")
    assert state_folder("front-door") == Path("/var/lib/edge/front-door")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert state_folder("front-door") == tmp_path / "edgekit" / "cameras" / "front-door"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source = '/nowhere.mp4'", "source: /nowhere.mp4: no such file or folder; give camera:0"),
        ("source = 'abc:def'", "source: abc:def: nobody here understands it"),
        ("profile = 'nowhere'", "profile: no such profile or file; shipped are"),
        ("profile = 'nowhere.toml'", "profile: no such profile or file"),
        ("profile = 'pc'\nrequire = 'npu'", "require: the profile pc lists no such interpreter"),
        ("profile = 'p.toml'\nmodel = 'nowhere.tflite'", "nowhere.tflite: no such file"),
        ("profile = 'p.toml'\nmodel = './p.toml'", "not a TensorFlow Lite, ONNX or PyTorch model"),
        ("profile = 'p.toml'\nlabels = 'nowhere.txt'", "nowhere.txt: No such file or directory"),
        ("profile = 'p.toml'\nlabels = 'two.txt'", "labels: 2 labels for 12 classes"),
        ("profile = 'p.toml'\n[rules]\nlabels = ['Class A']", 'rules.labels[0]: "Class A" is no label of'),
        ("profile = 'p.toml'\n[rules]\nlabels = ['Class A']", 'do you mean "class a"?'),
        ("profile = 'p.toml'\n[rules]\nlabels = ['L']", 'do you mean "class l"?'),
        ("profile = 'p.toml'\n[rules]\nlabels = ['yxcvb']", "give one of its labels"),
        ("[mqtt]\nhost = 'x'\ntls = true\nca_file = 'nowhere.pem'", "mqtt.ca_file: "),
        ("[mqtt]\nhost = 'x'\ntls = true\nca_file = 'p.toml'", "give certificates as PEM"),
        ("[mqtt]\nhost = 'x'\ntls = true\nca_file = 'pipe'", "no regular file; give certificates as PEM"),
        ("[mqtt]\nhost = 'x'\nusername = 'u'\npassword_file = 'two.txt'", "mqtt.password_file: "),
        ("source = 'rtsp://me@host/'\nsource_password_file = 'two.txt'", "others may read it"),
    ],
)  # fmt: skip
def test_what_a_file_names_and_cannot_have_is_wrong(front_door, tmp_path, text, words):
    (tmp_path / "two.txt").write_text("class a\nclass b\n")
    os.mkfifo(tmp_path / "pipe")
    path = front_door(text, profile="")
    assert any(words in line for line in wrong(path)), wrong(path)
    if "two.txt" not in text or "labels" not in text:
        with pytest.raises(ValueError, match=r"\w.*: "):
            refuse(load(path))


def test_a_damaged_model_is_wrong(front_door, tiny_file):
    tiny_file.write_bytes(tiny_file.read_bytes()[:200])
    assert "the file is damaged" in wrong(front_door())[0]


def test_a_model_without_labels_has_numbered_classes(front_door, tiny_file):
    tiny_file.with_suffix(".txt").unlink()
    assert wrong(front_door("[rules]\nlabels = ['class 3']\n")) == []
    assert 'the model has no labels, so its classes are "class 0"' in wrong(front_door("[rules]\nlabels = ['a']\n"))[0]
    assert any("no labels" in line for line in check(front_door()).said)


def test_an_interpreter_that_cannot_run_is_a_note_where_another_can(front_door, tmp_path, tiny_file):
    first = '[[interpreter]]\nkind = "edgetpu"\n'
    profile = (tmp_path / "p.toml").read_text()
    (tmp_path / "p.toml").write_text(profile.replace("[[interpreter]]", f"{first}[[interpreter]]"))
    notes = check(front_door("[rules]\nlabels = ['class a']\n")).notes
    assert notes == ["profile: edgetpu cannot run as it stands: model tiny: not compiled for the Edge TPU; "
                     "give one that is"]  # fmt: skip
    other = tmp_path / "other.tflite"
    other.write_bytes(tiny_file.read_bytes() + b"edgetpu-custom-op")
    other.with_suffix(".txt").write_text("".join(f"kind {n}\n" for n in range(12)))
    first += f'model = "{other}"\n'
    (tmp_path / "p.toml").write_text(profile.replace("[[interpreter]]", f"{first}[[interpreter]]"))
    notes = check(front_door("[rules]\nlabels = ['class a']\n")).notes
    assert notes == ['rules.labels[0]: "class a" is no label of the model that edgetpu runs']


def test_an_onnx_model_is_left_to_its_interpreter(front_door, tmp_path, tiny_onnx):
    (tmp_path / "a.onnx").write_bytes(tiny_onnx())
    assert wrong(front_door("model = 'a.onnx'\n")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source = 'sample:'", "source: a recording, and the service ends with it"),
        ("source = 'camera:63'", "source: /dev/video63 is not there now; the service waits for it"),
        ("[web]\nlisten = ':8080'\ninsecure = true", "web.insecure: whoever reaches this machine sees what the camera"),
        ("[mqtt]\nhost = 'x'\nport = 8883", "mqtt.port: 8883 is usual with encryption, and mqtt.tls is false"),
        ("[mqtt]\nhost = 'x'\ntls = true", "mqtt.port: 1883 is usual without encryption, and mqtt.tls is true"),
    ],
)
def test_what_may_surprise_is_a_note(front_door, text, words):
    checked = check(front_door(text, profile="" if "source" in text else "source = 'sample:'\n"))
    assert checked.wrong == [] and any(words in note for note in checked.notes), checked.notes


def test_the_camera_that_is_found_out_is_said(front_door, tmp_path):
    said = check(front_door("[rules]\n", profile="profile = 'p.toml'\n")).said
    assert any(line.startswith("source: ") and line.endswith("the first camera there is") for line in said)
    text = (tmp_path / "p.toml").read_text()
    (tmp_path / "p.toml").write_text(f'{text}[[camera]]\nkind = "v4l2"\n[[camera]]\nkind = "sample"\n')
    assert (
        "source: v4l2, else sample, as the profile says" in check(front_door("", profile="profile = 'p.toml'\n")).said
    )


def test_two_cameras_that_would_get_in_each_others_way_are_told(front_door):
    front_door("name = 'one'\n[web]\n[metrics]\n", "back-door.toml")
    front_door("x = 1\n", "broken.toml")
    notes = check(front_door("name = 'one'\n[web]\n[metrics]\nlisten = ':0'\n")).notes
    assert notes == [
        "name: one is the name in back-door.toml, too; their topics would mix",
        "source: sample: is the source in back-door.toml, too",
    ]


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("127.0.0.1:8080", ":8080", True),
        ("localhost:8080", "127.0.0.1:8080", True),
        ("0.0.0.0:8080", "[::1]:8080", True),
        ("127.0.0.1:8080", "[::1]:8080", False),
        ("127.0.0.1:8080", "127.0.0.1:8081", False),
        ("127.0.0.1:0", ":0", False),
    ],
)
def test_two_cameras_cannot_listen_on_one_port(front_door, one, other, meet):
    front_door(f"name = 'b'\n[metrics]\nlisten = '{other}'\n", "back-door.toml")
    told = [f"web.listen: {one} is taken by back-door.toml, too; give another port"] if meet else []
    assert wrong(front_door(f"[web]\ninsecure = true\nlisten = '{one}'\n")) == told


def test_a_secret_that_another_user_owns_is_a_note():
    error = ConfigError("mqtt.password_file: pw: Permission denied; make it readable")
    error.__cause__ = PermissionError(13, "Permission denied")
    assert of_secret("mqtt.password_file", error).kind == "note"


def test_what_the_systemd_unit_passes_or_hides_is_told(front_door, tmp_path):
    path = front_door("model = '/home/me/a.tflite'\n")
    (tmp_path / "front-door.mqtt-password").write_text("secret")
    (tmp_path / "front-door.mqtt-password").chmod(0o600)
    (tmp_path / "front-door.source-password").write_text("secret")
    (tmp_path / "front-door.source-password").chmod(0o644)
    checked = check(path, etc=tmp_path)
    assert f"mqtt.password_file: {tmp_path}/front-door.mqtt-password, as a credential of the service" in checked.said
    assert any("others may read it (mode 0644)" in fault.reason for fault in checked.wrong)
    hidden = f"model: /home/me/a.tflite is hidden from the service; put it below {tmp_path} or /srv"
    assert hidden in map(str, checked.wrong)


def test_models_are_looked_for_where_the_service_looks(front_door, tmp_path, monkeypatch, tiny_file):
    name = "mobilenet_v2_1.0_224_quant_edgetpu"
    fetched = tmp_path / "edgekit/models" / f"{name}.tflite"
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(tiny_file.read_bytes())
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = front_door(f"model = '{name}'\n")
    mine = wrong(path)
    assert [str(fault) for fault in check(path, etc=tmp_path).wrong if fault.key == "model"] != mine
    assert os.environ["XDG_DATA_HOME"] == str(tmp_path)
    monkeypatch.delenv("XDG_DATA_HOME")
    check(path, etc=tmp_path)
    assert "XDG_DATA_HOME" not in os.environ


# --- several cameras


HOUSE = """
[rules]
labels = ["class a"]
[[camera]]
name = "door"
source = "camera:7"
[[camera]]
name = "yard"
source = "camera:7"
[[camera]]
name = "gate"
source = "sample:"
"""


def keys(faults):
    return [fault.split(": ")[0] for fault in faults]


def test_of_several_cameras_each_is_told_and_what_they_share_once(cli, front_door):
    path = front_door(HOUSE + "[mqtt]\nhost = 'broker'\n", profile="profile = 'p.toml'\n")
    ran = cli("service", "check", path)
    assert ran.code == 0
    of_each = '  {0}: profile: p|  {0}: interpreter 1: scripted, model tiny, 12 labels|  {0}: rules: "class a" counts|'
    of_each += (
        "  {0}: mqtt: broker:1883, topics below edge/front-door-{0}/, Home Assistant's discovery below homeassistant/"
    )
    lines = ran.out.splitlines()
    for name in ("door", "yard", "gate"):
        assert [line for line in lines if line.startswith(f"  {name}: ")][1:] == of_each.format(name).split("|")
    assert lines.count("  events: kept for 90 days, 64 MB at most") == 1
    assert "  interpreter: door, yard, gate take turns on one, as the profile says" in lines
    assert "note: camera[1].source: camera:7 is the source of door, too" in ran.err
    assert "note: camera[2].source: a recording, and the service ends with it" in ran.err


def test_where_the_profile_has_one_interpreter_for_each_no_turns_are_told(front_door, tmp_path):
    text = (tmp_path / "p.toml").read_text()
    (tmp_path / "p.toml").write_text(f"shared = false\n{text}")
    said = check(front_door(HOUSE, profile="profile = 'p.toml'\n")).said
    assert [line for line in said if line.startswith("interpreter:")] == [
        "interpreter: door, yard, gate have one each, as the profile says"
    ]


def test_what_is_wrong_of_one_of_several_cameras_has_its_place_in_the_file(front_door, tmp_path):
    own = "[[camera]]\nname = 'hall'\nsource = '/nowhere.mp4'\nmodel = 'nowhere.tflite'\n"
    own += "[[camera]]\nname = 'roof'\nsource = 'camera:8'\n[camera.rules]\nlabels = ['class z']\n"
    found = wrong(front_door(HOUSE + own, profile="profile = 'p.toml'\n"))
    assert [line.split(": ")[0] for line in found] == [
        "camera[3].source",
        "camera[3].model",
        "camera[4].rules.labels[0]",
    ]
    assert [line.split(": ")[0] for line in wrong(front_door(HOUSE, profile="profile = 'nowhere'\n"))] == ["profile"]


def test_what_is_wrong_of_the_file_for_one_camera_alone_has_its_name(front_door, tmp_path, tiny_file):
    other = tmp_path / "other.tflite"
    other.write_bytes(tiny_file.read_bytes())
    other.with_suffix(".txt").write_text("".join(f"kind {n}\n" for n in range(12)))
    text = HOUSE.replace('source = "sample:"', 'source = "sample:"\nmodel = "other.tflite"')
    (found,) = wrong(front_door(text, profile="profile = 'p.toml'\n"))
    assert found.startswith('rules.labels[0]: of gate: "class a" is no label of the model other')


def test_a_key_that_is_wrong_by_itself_is_told_once(front_door):
    text = HOUSE + "[[camera]]\nname = 'hall'\nsource = 5\n"
    found = wrong(front_door(text, profile="profile = 'p.toml'\n"))
    assert found == ["camera[3].source: expected text in quotes, got a whole number"]


def test_two_names_of_one_device_are_one_source(front_door):
    text = HOUSE.replace('"camera:7"', '"v4l2:///dev/video7"', 1)
    notes = check(front_door(text, profile="profile = 'p.toml'\n")).notes
    assert "camera[1].source: camera:7 is the source of door, too" in notes


def test_a_name_that_is_wrong_is_told_once(front_door):
    found = wrong(front_door(HOUSE.replace('"yard"', '"../x"'), profile="profile = 'p.toml'\n"))
    assert keys(found) == ["camera[1].name"] and "is needed" not in found[0]


@pytest.mark.parametrize("name", ["*", "http://x", "x:99999", "evil.com/../", "tür"])
def test_what_no_browser_calls_a_machine_is_refused(front_door, name):
    found = wrong(front_door(f"[web]\nhosts = ['door.lan', '{name}']\n"))
    assert keys(found) == ["web.hosts[1]"] and "is no name that a browser gives" in found[0]


@pytest.mark.parametrize("name", ["ended", "snapshots", "events.sqlite"])
def test_a_camera_is_not_called_what_a_file_of_the_service_is(front_door, name):
    found = wrong(front_door(HOUSE.replace('"yard"', f'"{name}"'), profile="profile = 'p.toml'\n"))
    assert found == [f"camera[1].name: {name} is what a file of the service is called; give another name"]


def test_a_folder_of_passwords_is_told_with_the_camera_that_each_is_of(front_door, tmp_path):
    path = front_door(HOUSE.replace("sample:", "rtsp://me@host/"), profile="profile = 'p.toml'\n")
    folder = tmp_path / "front-door.source-password"
    folder.mkdir()
    for name, mode in (("gate", 0o600), ("yard", 0o644), ("nobody", 0o600)):
        (folder / name).write_text("secret")
        (folder / name).chmod(mode)
    checked = check(path, etc=tmp_path)
    assert f"camera[2].source_password_file: {folder}/gate, as a credential of the service" in checked.said
    assert any("others may read it" in str(fault) and "camera[1]" in str(fault) for fault in checked.wrong)
    assert (
        f"source_password_file: {folder}/nobody belongs to no camera of this file; name it after one" in checked.notes
    )


def test_cameras_of_neighbours_are_known_one_by_one(front_door, tmp_path):
    path = front_door(HOUSE, name="house.toml", profile="profile = 'p.toml'\n")
    front_door("", name="house-door.toml", profile="profile = 'p.toml'\nsource = 'camera:7'\n")
    notes = check(path).notes
    assert "name: house-door is the name in house-door.toml, too; their topics would mix" in notes
    assert "source: camera:7 is the source in house-door.toml, too" in notes
