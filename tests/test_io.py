"""Files: round trips, damaged and hostile files, and what a killed process leaves behind."""

import json
import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

import minidl
from minidl import io, nn, optim
from minidl.errors import ArgumentError, FileError


def raw(header, body=b""):
    """Return the bytes of a safetensors file with this header, whatever it says."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + body


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.safetensors"
    io.save_file({"weight": minidl.tensor([[1.0, 2.0]]), "count": minidl.tensor(3)}, path, {"note": "hello"})
    return path


# ---- tensors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", "float64 float32 float16 int64 int32 int16 int8 uint8 bool".split())
def test_every_dtype_comes_back(tmp_path, dtype):
    value = minidl.from_numpy(np.array([[0, 1, 100], [1, 0, 3]]).astype(dtype))
    io.save_file({"x": value}, tmp_path / "x")
    loaded = io.load_file(tmp_path / "x")["x"]
    assert loaded.dtype is value.dtype
    np.testing.assert_array_equal(loaded.numpy(), value.numpy())
    loaded.numpy()[...] = 0


def test_strides_byte_order_and_odd_shapes_do_not_matter(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    arrays = {
        "transposed": base.T,
        "stepped": base[:, ::2, ::-1],
        "fortran": np.asfortranarray(base),
        "swapped": base.astype(">f4"),
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "read_only": np.broadcast_to(np.float32(1), (2, 2)),
    }
    io.save_file(arrays, tmp_path / "x")
    loaded = io.load_file(tmp_path / "x")
    for name, array in arrays.items():
        assert loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name].numpy(), array)


def test_what_the_reference_library_writes_and_reads(tmp_path, small):
    from safetensors.numpy import load_file, save_file

    assert load_file(small)["weight"].tolist() == [[1, 2]]
    save_file({"x": np.arange(3)}, tmp_path / "other")
    assert io.load_file(tmp_path / "other")["x"].tolist() == [0, 1, 2]


def test_types_without_a_counterpart_widen_exactly_or_are_refused(tmp_path):
    path = tmp_path / "x"
    bits = np.array([1.5, -2.0], dtype=np.float32).view(np.uint32) >> 16
    path.write_bytes(raw({"x": entry("BF16", (2,), (0, 4))}, bits.astype("<u2").tobytes()))
    assert io.load_file(path)["x"].tolist() == [1.5, -2.0]
    path.write_bytes(raw({"x": entry("U16", (2,), (0, 4))}, np.array([1, 65535], "<u2").tobytes()))
    assert io.load_file(path)["x"].tolist() == [1, 65535]
    path.write_bytes(raw({"x": entry("F8_E4M3", (2,), (0, 2))}, b"12"))
    with pytest.raises(FileError, match=r"x: dtype of 'x' must be one of .* got F8_E4M3"):
        io.load_file(path)


def test_equal_states_are_equal_files(tmp_path):
    from safetensors import safe_open

    tensors = {name: np.arange(size, dtype="float32") for name, size in (("z", 3), ("a", 5), ("m", 1))}
    metadata = {f"key {i}": f"value \u00e9 {i}" for i in range(20)}
    for name in ("one", "two"):
        io.save_file(tensors, tmp_path / name, metadata)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with safe_open(tmp_path / "one", "numpy") as file:
        assert file.metadata() == metadata
        np.testing.assert_array_equal(file.get_tensor("a"), tensors["a"])


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({1: np.zeros(1)}, None),
        ({"x": np.zeros(1, complex)}, None),
        ({"x": ["a"]}, None),
        ({"x": np.zeros(1)}, {"a": 1}),
    ],
)
def test_what_cannot_be_saved_leaves_no_file(tmp_path, tensors, metadata):
    with pytest.raises(ArgumentError, match="save_file: "):
        io.save_file(tensors, tmp_path / "x", metadata)
    assert list(tmp_path.iterdir()) == []


# ---- damage ------------------------------------------------------------------------------------------------------


def test_truncation_at_every_byte_names_the_file(small, tmp_path):
    content = small.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(FileError, match=r"cut\.safetensors"):
            io.load_file(cut)
    cut.write_bytes(content + b"x")
    with pytest.raises(FileError, match=r"cut\.safetensors"):
        io.load_file(cut)


def test_a_flipped_bit_in_the_header_gives_an_error_or_tensors(small, tmp_path):
    content = small.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    flipped = tmp_path / "flipped.safetensors"
    for bit in range(header * 8):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        flipped.write_bytes(damaged)
        try:
            tensors = io.load_file(flipped)
        except FileError as error:
            assert "flipped.safetensors" in str(error)
        else:
            assert all(isinstance(tensor, minidl.Tensor) for tensor in tensors.values())


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        struct.pack("<Q", 200_000_000) + b"{}",
        raw(b"[" * 100_000),
        raw(b'{"a":' * 50_000),
        raw(b"\xff\xfe{}"),
        raw([]),
        raw({"a": entry(), "b": entry(offsets=(4, 12))}, b"0" * 12),
        raw({"a": entry(offsets=(8, 0))}, b"0" * 8),
        raw({"a": entry(offsets=(0, 2**63))}, b"0" * 8),
        raw({"a": entry(shape=(2**62, 4))}, b"0" * 8),
        raw({"a": entry(shape=(0, 2**63), offsets=(0, 0))}),
        raw({"a": entry(shape=(-2,))}, b"0" * 8),
        raw({"a": entry(shape=(3,))}, b"0" * 8),
        raw({"a": entry("PICKLE")}, b"0" * 8),
        raw({"a": {"dtype": "F32"}}),
        raw({"__metadata__": {"a": 1}}),
        b"\x80\x04\x95 a pickle, for example",
        b"",
    ],
)
def test_hostile_files_are_refused(tmp_path, content):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(content)
    for read in (io.load_file, io.load):
        with pytest.raises(FileError, match=r"hostile\.safetensors"):
            read(path)


def test_a_hostile_bool_becomes_a_clean_one(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(raw({"x": entry("BOOL", (3,), (0, 3))}, b"\x00\x05\xff"))
    assert io.load_file(path)["x"].numpy().view(np.uint8).tolist() == [0, 1, 1]


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileError, match="must be a regular file"):
        io.load_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="must be a regular file"):
        io.load_file(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        io.load_file(tmp_path / "missing")


# ---- nested state ------------------------------------------------------------------------------------------------


def test_nested_values_come_back(tmp_path):
    value = {
        "tensors": [minidl.tensor([1.0]), (np.arange(3), None)],
        3: {"a.b": minidl.tensor(1), "a": {"b": minidl.tensor(2)}},
        "numbers": (True, 7, 2**70, 1.5, float("inf"), "text", np.float32(2.5)),
        "": {},
        None: [],
    }
    io.save(value, tmp_path / "x")
    loaded = io.load(tmp_path / "x")
    assert repr(loaded["tensors"]) == repr(value["tensors"])
    assert isinstance(loaded["tensors"][1][0], np.ndarray)
    assert [loaded[3]["a.b"].item(), loaded[3]["a"]["b"].item()] == [1, 2]
    assert loaded["numbers"] == value["numbers"]
    assert loaded[""] == {}
    assert loaded[None] == []


def test_a_saved_state_dict_is_a_plain_safetensors_file(tmp_path):
    model = nn.Linear(3, 2)
    io.save(model.state_dict(), tmp_path / "x")
    assert sorted(io.load_file(tmp_path / "x")) == ["bias", "weight"]
    assert list(io.load(tmp_path / "x")) == ["weight", "bias"]


@pytest.mark.parametrize("value", [{"a": [object()]}, {(1, 2): 3}, {"f": print}])
def test_values_without_a_form_are_refused_with_their_place(tmp_path, value):
    with pytest.raises(ArgumentError, match=r"save: .* got \w+ at"):
        io.save(value, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"tensor":"no"}',
        '{"eval":"1"}',
        '{"dict":[[1]]}',
        '{"a":1,"b":2}',
        '{"list":' * 5000,
        '{"dict":[[[],1]]}',
    ],
)
def test_a_damaged_description_is_refused(tmp_path, text):
    path = tmp_path / "odd.safetensors"
    io.save_file({"x": np.zeros(1)}, path, {"minidl": text})
    with pytest.raises(FileError, match=r"odd\.safetensors: the description"):
        io.load(path)


# ---- checkpoints -------------------------------------------------------------------------------------------------


def make():
    model = nn.Linear(4, 3)
    return model, optim.Adam(model.parameters(), lr=0.01)


def train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        (model(minidl.randn(8, 4)) ** 2).sum().backward()
        optimizer.step()


def test_a_restored_run_goes_on_bit_for_bit(tmp_path):
    minidl.manual_seed(4)
    model, optimizer = make()
    train(model, optimizer, 3)
    io.save_checkpoint(tmp_path / "c", extra=["anything", 1], model=model, optimizer=optimizer)
    train(model, optimizer, 3)
    expected = model.weight.detach().numpy().copy()

    minidl.manual_seed(99)
    model, optimizer = make()
    assert io.load_checkpoint(tmp_path / "c", model=model, optimizer=optimizer) == ["anything", 1]
    train(model, optimizer, 3)
    np.testing.assert_array_equal(model.weight.detach().numpy(), expected)


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path):
    model, optimizer = make()
    train(model, optimizer, 1)
    io.save_checkpoint(tmp_path / "c", model=model, optimizer=optimizer)
    other, _ = make()
    wrong = optim.SGD([other.weight], lr=0.1)
    before = other.weight.detach().numpy().copy()
    with pytest.raises(ArgumentError, match="parameters per group"):
        io.load_checkpoint(tmp_path / "c", model=other, optimizer=wrong)
    np.testing.assert_array_equal(other.weight.detach().numpy(), before)
    with pytest.raises(FileError, match=r"must hold loader, got model, optimizer"):
        io.load_checkpoint(tmp_path / "c", loader=None)
    io.save({"some": "thing"}, tmp_path / "d")
    with pytest.raises(FileError, match="must be a checkpoint"):
        io.load_checkpoint(tmp_path / "d")


# ---- atomic writing ----------------------------------------------------------------------------------------------


def test_an_error_while_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o640)

    def chunks():
        yield b"new"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        io.write_atomically(path, chunks())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    io.write_atomically(path, [b"new"])
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def interrupted_at(count, path):
    """Write "new" with a Ctrl-C at the call or return number `count` inside; say whether there was such an event."""
    seen = 0

    def watch(frame, event, arg):
        nonlocal seen
        if frame is here or (event == "return" and frame.f_back is here):  # before it or after it
            return
        seen += 1
        if seen == count:
            sys.setprofile(None)
            raise KeyboardInterrupt

    here = sys._getframe()
    try:
        sys.setprofile(watch)
        io.write_atomically(path, [b"new"])
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # a file opened, but not yet in `with`
def test_ctrl_c_at_any_point_is_ctrl_c_and_leaves_a_whole_file(tmp_path):
    path = tmp_path / "x"
    found = []
    path.write_bytes(b"old")
    while interrupted_at(len(found) + 1, path):
        found.append(path.read_bytes())
        assert list(tmp_path.iterdir()) == [path], f"event {len(found)}"
        path.write_bytes(b"old")
    assert set(found) == {b"old", b"new"}


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    io.write_atomically(link, [b"new"])
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


WRITER = """
import sys, numpy as np
from minidl.io import load_file, save_file
print("ready", flush=True)
n = 0
while True:
    n += 1
    save_file({"x": np.full(300_000, float(n))}, sys.argv[1])
"""


def test_kill_9_while_saving_leaves_a_whole_file(tmp_path):
    path = tmp_path / "x.safetensors"
    for delay in (0.0, 0.013, 0.027, 0.041):
        io.save_file({"x": np.zeros(300_000)}, path)
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        values = io.load_file(path)["x"].numpy()
        assert values.shape == (300_000,)
        assert (values == values[0]).all()
