import os
import signal
import struct
import time
from pathlib import Path

import pytest

from edge.errors import AdapterError, ModelError
from edge.mobilenet import edgetpu
from edge.mobilenet.tpu_rules import RULES, check
from edge.models import DEFAULT, parts, shipped
from edge.models.operators import NAMES

FLOAT32, INT32, UINT8, INT16, INT8 = 0, 2, 3, 7, 9
CODES = {name: NAMES.index(name) for name in [*RULES, "CUSTOM", "DEQUANTIZE"]}
PICTURE = (1, 4, 4, 8)


@pytest.fixture(scope="session")
def tensor(tiny):
    """One of 8 bits; of 32, with `values`, where it is a size or an axis."""

    def make(*shape, dtype=INT8, scale=0.5, values=None, data=None):
        if values is not None:
            return tiny.Tensor((len(values),), INT32, 0.0, 0, struct.pack(f"<{len(values)}i", *values))
        return tiny.Tensor(shape, dtype, scale, 0, data)

    return make


@pytest.fixture(scope="session")
def findings(tiny):
    """What is found against a model of one operator: its inputs, its output and its options."""

    def make(name, inputs, output, options=None, version=1):
        tensors = [*inputs, output]
        operator = tiny.Operator(CODES[name], tuple(range(len(inputs))), (len(inputs),), options, version)
        return check(tiny.build(tensors, [operator], (0,), (len(inputs),)))

    return make


def test_a_plain_network_has_nothing_against_it(tiny):
    assert check(tiny("uint8")) == check(tiny("int8")) == []


def test_a_float_model_is_told_as_one_thing(tiny):
    (finding,) = check(tiny("float32"))
    assert str(finding).startswith("model: not quantised to 8 bits (float32); quantise weights and activations")


def test_a_compiled_model_is_told_as_such(tiny):
    tensors = [tiny.Tensor(PICTURE, UINT8, 0.5)] * 2
    operator = tiny.Operator(CODES["CUSTOM"], (0,), (1,), custom="edgetpu-custom-op")
    (finding,) = check(tiny.build(tensors, [operator], (0,), (1,)))
    assert finding.reason == "already compiled for the Edge TPU"


def test_another_custom_operator_is_not_supported(tiny):
    tensors = [tiny.Tensor(PICTURE, UINT8, 0.5)] * 2
    (finding,) = check(tiny.build(tensors, [tiny.Operator(CODES["CUSTOM"], (0,), (1,), custom="ADD")], (0,), (1,)))
    assert "not in Coral's list" in finding.reason


def test_no_tflite_is_refused():
    with pytest.raises(ModelError, match=r"model m\.onnx: not a TensorFlow Lite model"):
        check(b"an ONNX file", "m.onnx")


def test_a_size_that_is_not_constant_is_told_once(tiny):
    tensors = [tiny.Tensor(PICTURE, INT8, 0.5, signature=(-1, *PICTURE[1:]))] * 2
    (finding,) = check(tiny.build(tensors, [tiny.Operator(CODES["ADD"], (0, 0), (1,))], (0,), (1,)))
    assert finding.operator == "model" and "2 tensors have a size that is known only when it runs" in finding.reason


def test_control_flow_is_our_reading(tiny):
    (finding,) = check(tiny.build([tiny.Tensor((1, 4), INT8, 0.5)], [], (0,), (0,), graphs=3))
    assert "3 subgraphs" in finding.reason and not finding.documented


def test_a_version_that_the_compiler_does_not_know_is_our_reading(findings, tensor):
    weights = tensor(8, 1, 1, 8, data=b"w")
    assert findings("CONV_2D", [tensor(*PICTURE), weights], tensor(*PICTURE), version=5) == []
    (finding,) = findings("CONV_2D", [tensor(*PICTURE), weights], tensor(*PICTURE), version=6)
    assert finding.reason == "version 6, where compiler 16.0 knows 5 and refuses the whole model"
    assert not finding.documented and "(our reading, not documented)" in str(finding)


def test_the_versions_that_are_known_to_be_refused_are_refused():
    assert RULES["QUANTIZE"].newest < 3 and RULES["TRANSPOSE_CONV"].newest < 4 and "EXP" not in RULES


BAD = {
    "another type": ("ADD", [(PICTURE, INT16)] * 2, PICTURE, None, "works on int16 that is not quantised to 8 bits"),
    "two other types": ("ADD", [(PICTURE, INT16), (PICTURE, FLOAT32)], PICTURE, None, "float32, int16 that are not"),
    "a batch of two": ("ADD", [((2, 4, 4, 8), INT8)] * 2, PICTURE, None, "2x4x4x8: only the three innermost"),
    "not listed": ("DEQUANTIZE", [(PICTURE, INT8)], PICTURE, None, "not in Coral's list"),
    "fused pooling": ("AVERAGE_POOL_2D", [(PICTURE, INT8)], PICTURE, (5, {5: ("Int8", 3)}), "activation (relu6)"),
    "two outputs": ("SOFTMAX", [((2, 8), INT8)], (2, 8), None, "2x8; it must be one-dimensional"),
    "a wide softmax": ("SOFTMAX", [((1, 16001), INT8)], (1, 16001), None, "16,001 elements; at most 16,000"),
    "resizing": ("RESIZE_BILINEAR", [(PICTURE, INT8)], (1, 8, 8, 8), None, "depending on its size"),
    "axes that move": ("MEAN", [(PICTURE, INT8), ((2,), INT8)], (1, 8), None, "axes that are not constant"),
    "a moving padding": ("PAD", [(PICTURE, INT8), ((4, 2), INT8)], PICTURE, None, "a padding that is not constant"),
    "packing": ("PACK", [((4, 4, 8), INT8)] * 2, PICTURE, (59, {1: ("Int32", 0)}), "it works along the batch"),
    "slopes": ("PRELU", [(PICTURE, INT8), ((4, 4, 8), INT8)], PICTURE, None, "more than one slope a channel"),
    "squeezing": ("SQUEEZE", [((5, 1, 8), INT8)], (5, 8), None, "a size of 1 that is not in front"),
    "moving weights": ("CONV_2D", [(PICTURE, INT8), ((8, 1, 1, 8), INT8)], PICTURE, None, "not constant"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_documented_limit_is_told_with_what_to_do(findings, tensor, case):
    name, inputs, output, options, said = BAD[case]
    made = [tensor(*shape, dtype=dtype, scale=0.0 if dtype == FLOAT32 else 0.5) for shape, dtype in inputs]
    told = [each for each in findings(name, made, tensor(*output), options) if said in each.reason]
    assert len(told) == 1 and told[0].documented and told[0].advice
    assert told[0].place == 0 and told[0].operator == name


GOOD = {
    "pooling": ("AVERAGE_POOL_2D", [PICTURE], PICTURE, (5, {5: ("Int8", 0)})),
    "softmax": ("SOFTMAX", [(1, 16000)], (1, 16000), None),
    "squeeze": ("SQUEEZE", [(1, 5, 8)], (5, 8), None),
    "squeeze to nothing": ("SQUEEZE", [(1, 1)], (), None),
    "pack": ("PACK", [(1, 4, 8), (1, 4, 8)], (1, 4, 2, 8), (59, {1: ("Int32", 2)})),
    "add": ("ADD", [PICTURE, PICTURE], PICTURE, (11, {0: ("Int8", 1)})),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_is_within_the_limits_is_not_told(findings, tensor, case):
    name, inputs, output, options = GOOD[case]
    assert findings(name, [tensor(*shape) for shape in inputs], tensor(*output), options) == []


@pytest.mark.parametrize(
    ("name", "axes", "channels", "said"),
    [
        ("MEAN", [1, 2], 6, None),
        ("MEAN", [-3, -2], 6, None),
        ("MEAN", [3], 8, None),
        ("MEAN", [-1], 6, "a mean over 6 channels; it must be a multiple of 4"),
        ("REDUCE_MIN", [3], 6, None),
        ("REDUCE_MAX", [0], 8, "a reduction over the batch"),
        ("REDUCE_MIN", [-4], 8, "a reduction over the batch"),
    ],
)
def test_a_reduction_is_told_by_its_axes(findings, tensor, name, axes, channels, said):
    found = findings(name, [tensor(1, 4, 4, channels), tensor(values=axes)], tensor(1, channels))
    assert [each.reason for each in found] == ([said] if said else [])


def test_what_no_copy_of_the_list_confirms_is_our_reading(findings, tensor):
    found = findings("SUM", [tensor(*PICTURE), tensor(values=[0])], tensor(1, 8))
    assert [each.reason for each in found] == ["a reduction over the batch", "perhaps not a supported operation"]
    assert not any(each.documented for each in found)


def test_padding_and_splitting_the_batch_are_told(findings, tensor):
    sides = tensor(values=[1, 0, 0, 0, 0, 0, 0, 0])
    assert [f.reason for f in findings("PAD", [tensor(*PICTURE), sides], tensor(*PICTURE))] == ["padding of the batch"]
    assert findings("PAD", [tensor(*PICTURE), tensor(values=[0, 0, 1, 1, 1, 1, 0, 0])], tensor(*PICTURE)) == []
    along = [findings("SPLIT", [tensor(values=[axis]), tensor(*PICTURE)], tensor(*PICTURE)) for axis in (0, -4, 3)]
    assert [len(found) for found in along] == [1, 1, 0]


@pytest.mark.parametrize(
    ("strides", "options", "count"),
    [([1, 1], {}, 0), ([1, 2], {}, 1), ([1, 1], {2: ("Int32", 1)}, 1), ([1, 1], {3: ("Int32", 1)}, 1)],
)
def test_only_slices_of_stride_one_are_mapped(findings, tensor, strides, options, count):
    inputs = [tensor(1, 8), tensor(values=[0, 0]), tensor(values=[1, 4]), tensor(values=strides)]
    assert len(findings("STRIDED_SLICE", inputs, tensor(1, 4), (32, options))) == count


@pytest.mark.parametrize(
    ("count", "data", "told"), [(1, bytes(8), 0), (1, bytes([0, 1]), 1), (2, bytes(8), 1), (0, None, 0)]
)
def test_a_constant_in_a_concatenation_must_be_zero_and_the_second_of_two(findings, tensor, count, data, told):
    inputs = [tensor(1, 8), tensor(1, 8)] if count == 0 else [tensor(1, 8), *[tensor(1, 8, data=data)] * count]
    assert len(findings("CONCATENATION", inputs, tensor(1, 16))) == told


def test_a_dilation_must_be_square(findings, tensor):
    weights = tensor(8, 3, 3, 8, data=b"w")
    (finding,) = findings("CONV_2D", [tensor(*PICTURE), weights], tensor(*PICTURE), (1, {4: ("Int32", 2)}))
    assert finding.reason == "dilation 1 down and 2 across; it must be the same"


def test_a_linear_layer_needs_plain_weights_of_one_scale(findings, tensor):
    def found(weights, options=None):
        return findings("FULLY_CONNECTED", [tensor(1, 8), weights], tensor(1, 2), options)

    assert found(tensor(2, 8, data=b"w")) == []
    (shuffled,) = found(tensor(2, 8, data=b"w"), (8, {1: ("Int8", 1)}))
    assert "shuffled" in shuffled.reason and shuffled.documented
    (channels,) = found(tensor(2, 8, data=b"w", scale=(0.5, 0.25)))
    assert "per channel" in channels.reason and not channels.documented


@pytest.mark.parametrize(("dtype", "scale"), [(FLOAT32, 0.0), (INT16, 0.5)])
def test_a_constant_that_is_wider_is_told(findings, tensor, dtype, scale):
    wide = tensor(8, dtype=dtype, scale=scale, data=b"w")
    (finding,) = findings("ADD", [tensor(*PICTURE), wide], tensor(*PICTURE))
    assert finding.reason == "a constant of it is not quantised to 8 bits"


def test_the_default_model_s_findings_are_only_readings_of_ours():
    assert [finding for finding in check(shipped()[DEFAULT].read_bytes()) if finding.documented] == []


def test_what_coral_s_compiler_mapped_whole_has_nothing_against_it(shared):
    path = shared / "models" / "mobilenet_v2_1.0_224_quant.tflite"
    twin = parts.read(path.with_stem(path.stem + "_edgetpu").read_bytes())
    assert [each.name for each in twin.operators] == ["edgetpu-custom-op"]
    assert check(path.read_bytes()) == []


def test_what_coral_s_compiler_left_on_the_cpu_begins_at_the_first_finding(shared):
    path = shared / "models" / "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    names = [each.name for each in parts.read(path.read_bytes()).operators]
    left = [each.name for each in parts.read(path.with_stem(path.stem + "_edgetpu").read_bytes()).operators][1:]
    first = check(path.read_bytes())[0].place
    assert sorted(names[first:]) == sorted(left)


WHOLE = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1234 ms.

Input model: model.tflite
Input size: 3.42MiB
Output model: model_edgetpu.tflite
Output size: 3.88MiB
On-chip memory used for caching model parameters: 3.31MiB
On-chip memory remaining for caching model parameters: 4.35MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 65
Operation log: model_edgetpu.log

Operator                       Count      Status

ADD                            10         Mapped to Edge TPU
CONV_2D                        36         Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!
"""

PARTLY = """\
Edge TPU Compiler version 15.0.340273435

Model compiled successfully in 42 ms.

On-chip memory used for caching model parameters: 21.75KiB
Off-chip memory used for streaming uncached model parameters: 126.81KiB
Number of Edge TPU subgraphs: 1
Total number of operations: 5
Operation log: ./model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will \
instead run on the CPU, which is slower. If possible, consider updating your model to use only operations supported \
by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: 3
Number of operations that will run on CPU: 2

Operator                       Count      Status

FULLY_CONNECTED                3          Mapped to Edge TPU
QUANTIZE                       1          Operation is otherwise supported, but not mapped due to some \
unspecified limitation
ARG_MAX                        1          More than one subgraph is not supported
"""

REFUSED = """\
Edge TPU Compiler version 16.0.384591198
ERROR: Didn't find op for builtin opcode 'QUANTIZE' version '3'. An older version of this builtin might be supported.

ERROR: Registration failed.

Invalid model: model.tflite
Model could not be parsed
"""

HEADER = b"\x08\0\0\0TFL3"


@pytest.fixture
def compiler(tmp_path):
    """A stand-in for the compiler: says `log`, leaves `made`, ends with `code`, or does what `instead` says."""

    def make(log="", made=HEADER + b"edgetpu-custom-op", code=0, instead=""):
        (tmp_path / "log").write_text(log)
        if made is not None:
            (tmp_path / "made").write_bytes(made)
        script = tmp_path / "edgetpu_compiler"
        leave = f'cp "{tmp_path}/made" "$3/model_edgetpu.tflite"\n' if made is not None else ""
        called = 'test "$1 $2" = "-s -o" || exit 9\ntest -s "$4" || exit 8\n'
        script.write_text(f'#!/bin/sh\n{instead}\n{called}cat "{tmp_path}/log"\n{leave}exit {code}\n')
        script.chmod(0o755)
        return str(script)

    return make


@pytest.fixture
def model(tmp_path, tiny):
    path = tmp_path / "models" / "m.tflite"
    path.parent.mkdir()
    path.write_bytes(tiny())
    return path


def test_a_model_is_compiled_and_the_log_read(compiler, model):
    made = edgetpu.compile(model, program=compiler(WHOLE))
    assert made.path == model.with_name("m_edgetpu.tflite")
    assert made.path.read_bytes() == HEADER + b"edgetpu-custom-op"
    assert (made.on_tpu, made.on_cpu, made.version) == (46, 0, "16.0.384591198")
    assert made.operators == (("ADD", 10, "Mapped to Edge TPU"), ("CONV_2D", 36, "Mapped to Edge TPU"))
    assert (made.on_chip, made.streamed) == (round(3.31 * 2**20), 0)
    assert "Compilation succeeded!" in made.log


def test_operators_that_stay_on_the_cpu_are_counted(compiler, model, tmp_path):
    made = edgetpu.compile(model, tmp_path / "out" / "a.tflite", program=compiler(PARTLY))
    assert (made.on_tpu, made.on_cpu, made.on_chip) == (3, 2, 22_272)
    assert made.operators[1] == (
        "QUANTIZE",
        1,
        "Operation is otherwise supported, but not mapped due to some unspecified limitation",
    )
    assert (tmp_path / "out" / "a.tflite").is_file()


def test_a_log_that_tells_nothing_leaves_all_unknown(compiler, model):
    made = edgetpu.compile(
        model, program=compiler("a log of another kind: On-chip memory used for caching model parameters: 1.2.3B")
    )
    assert made[1:7] == (None, None, (), None, None, None)


def test_a_compiler_that_is_not_there_says_what_to_install_and_where_it_runs(model):
    with pytest.raises(
        AdapterError, match=r"nothing-of-this-name is not installed; it runs on x86-64 Debian.*edgetpu-compiler"
    ):
        edgetpu.compile(model, program="nothing-of-this-name")


def test_a_compiler_that_does_not_start_says_so(model, tmp_path):
    program = tmp_path / "edgetpu_compiler"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with pytest.raises(AdapterError, match="does not start"):
        edgetpu.compile(model, program=str(program))


@pytest.mark.parametrize("code", [0, 1])
def test_a_refusal_gives_the_compiler_s_reason_and_leaves_nothing(compiler, model, code):
    with pytest.raises(ModelError, match=r"refuses .*m\.tflite: ERROR: Didn't find op for builtin opcode 'QUANTIZE'"):
        edgetpu.compile(model, program=compiler(REFUSED, made=None, code=code))
    assert [path.name for path in model.parent.iterdir()] == ["m.tflite"]


@pytest.mark.parametrize(
    ("made", "log", "error", "said"),
    [
        (b"garbage", "", AdapterError, "left no .tflite .*it said nothing"),
        (b"", "", AdapterError, "left no .tflite"),
        (None, "", AdapterError, "left no .tflite"),
        (HEADER + b"all on the CPU", "Number of operations that will run on Edge TPU: 0", ModelError, "mapped nothing"),
    ],
)
def test_what_is_no_compiled_model_is_not_kept(compiler, model, made, log, error, said):
    with pytest.raises(error, match=said):
        edgetpu.compile(model, program=compiler(log, made))
    assert [path.name for path in model.parent.iterdir()] == ["m.tflite"]


def test_a_compiler_that_hangs_is_ended_with_its_children(compiler, model, tmp_path):
    hang = f'sleep 600 &\necho $! > "{tmp_path}/child"\nwait'
    with pytest.raises(AdapterError, match=r"did not end within 0\.5 seconds"):
        edgetpu.compile(model, program=compiler(instead=hang), limit_s=0.5)
    assert gone(int((tmp_path / "child").read_text()))
    assert [path.name for path in model.parent.iterdir()] == ["m.tflite"]


def gone(process, patience=5.0):
    """Whether a process ends soon; one that nobody has buried yet counts as ended."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            os.kill(process, signal.SIGCONT)
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
