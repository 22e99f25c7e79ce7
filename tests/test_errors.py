import msgspec
import pytest

from edge import errors

CHILDREN = [
    (errors.ConfigError, ValueError, 2),
    (errors.ModelError, ValueError, 2),
    (errors.AdapterError, ImportError, 1),
    (errors.DeviceError, OSError, 1),
    (errors.CameraError, OSError, 1),
    (errors.FetchError, OSError, 1),
    (errors.MeterError, OSError, 1),
    (errors.InferenceError, RuntimeError, 1),
]


@pytest.mark.parametrize(("kind", "builtin", "code"), CHILDREN)
def test_an_error_is_also_the_builtin_that_a_programmer_would_catch(kind, builtin, code):
    error = kind("what happened")
    assert isinstance(error, errors.EdgeError)
    assert isinstance(error, builtin)
    assert error.exit_code == code
    assert str(error) == "what happened"


def test_the_tree_holds_every_error_that_there_is():
    found = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert found == {errors.EdgeError, *(kind for kind, *_ in CHILDREN)}


def test_any_text_is_folded_into_one_line():
    assert errors.one_line(ValueError("  a\n\tb \r\n c ")) == "a b c"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: list[Inner]


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        ({"inner": [{"size": 1}, {"size": "x"}]}, "inner[1].size", "Expected `int`, got `str`"),
        ({"inner": [{"size": 1, "sise": 2}]}, "inner[0].sise", "unknown key"),
        ({"inner": [{}]}, "inner[0].size", "this key is needed"),
        ({"inner": [], "outer": 1}, "outer", "unknown key"),
        ({}, "inner", "this key is needed"),
        ([], "", "Expected `object`, got `array`"),
    ],
)
def test_a_validation_error_is_told_as_the_path_of_the_key_and_the_reason(value, key, reason):
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Outer)
    assert errors.key_and_reason(caught.value) == (key, reason)


def test_what_steers_a_terminal_is_left_out_and_what_is_too_long_is_cut():
    assert errors.one_line("a\x1b[31mb\x7f\x9b2J\x00") == "a[31mb2J"
    assert errors.one_line("abc def", 7) == "abc def"
    assert errors.one_line("abc defg", 5) == "abc…"
