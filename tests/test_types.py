import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.types import FITS, Result, TensorSpec, Timing

QUANTISED = st.sampled_from([np.uint8, np.int8, np.int16])


def spec_of(dtype, scale=0.0, zero_point=0):
    return TensorSpec(name="x", shape=(1, 4), dtype=np.dtype(dtype), scale=scale, zero_point=zero_point)


@settings(deadline=None)
@given(
    dtype=QUANTISED,
    scale=st.floats(1e-4, 10.0),
    share=st.floats(0, 1),
    reals=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_what_a_tensor_can_hold_comes_back_within_half_a_step(dtype, scale, share, reals):
    limits = np.iinfo(dtype)
    zero_point = limits.min + round(share * (limits.max - limits.min))
    spec = spec_of(dtype, scale, zero_point)
    low, high = scale * (limits.min - zero_point), scale * (limits.max - zero_point)
    values = low + np.asarray(reals) * (high - low)
    back = spec.dequantize(spec.quantize(values))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, values, rtol=1e-5, atol=scale * 0.501)


@settings(deadline=None)
@given(dtype=QUANTISED, scale=st.floats(1e-4, 10.0), zero_point=st.integers(-128, 127))
def test_every_number_of_a_quantised_tensor_comes_back_as_itself(dtype, scale, zero_point):
    spec = spec_of(dtype, scale, zero_point)
    limits = np.iinfo(dtype)
    numbers = np.arange(limits.min, limits.max + 1, 7 if limits.bits == 8 else 997).astype(dtype)
    np.testing.assert_array_equal(spec.quantize(spec.dequantize(numbers)), numbers)


@pytest.mark.parametrize(("real", "kept"), [(1e9, 127), (-1e9, -128), (0.0, 3), (0.26, 4), (0.24, 3)])
def test_quantising_rounds_to_the_nearest_and_saturates(real, kept):
    assert spec_of(np.int8, 0.5, 3).quantize(real) == kept


def test_a_float_tensor_is_passed_as_it_is():
    spec = spec_of(np.float32)
    assert not spec.quantised
    values = np.array([[-1.5, 2.25]], np.float32)
    assert spec.quantize(values).dtype == np.float32
    np.testing.assert_array_equal(spec.quantize(values), values)
    np.testing.assert_array_equal(spec.dequantize(values), values)


def test_the_age_of_a_result_runs_from_the_capture_to_the_answer():
    result = Result(
        frame=0,
        answer=(),
        captured_at_ns=1_000_000,
        finished_at_ns=6_500_000,
        timing=Timing(1, 2, 3),
        backend="scripted",
        model="m",
    )
    assert result.age_ms == 5.5


def test_there_are_three_ways_to_fit_a_picture():
    assert FITS == ("squash", "crop", "letterbox")
