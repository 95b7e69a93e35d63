"""Readers of CIFAR-10's binary files and of IDX files: what is written is read, and what is damaged is refused by name."""

import gzip
import struct

import numpy as np
import pytest

from minidl.data import load_cifar10, load_mnist, read_cifar10, read_idx
from minidl.errors import FileError


def cifar_bytes(images, labels):
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def idx_bytes(array, code=8):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def cifar(tmp_path, rng):
    """A folder with two training files and a test file of a few images."""
    folder, parts = tmp_path / "cifar-10-batches-bin", {}
    folder.mkdir()
    for name, count in (("data_batch_1", 3), ("data_batch_2", 2), ("test_batch", 4)):
        parts[name] = rng.integers(0, 256, (count, 3, 32, 32), np.uint8), rng.integers(0, 10, count)
        (folder / f"{name}.bin").write_bytes(cifar_bytes(*parts[name]))
    return tmp_path, folder, parts


def test_cifar_is_read_as_written(cifar):
    root, folder, parts = cifar
    for where in (root, folder):
        train, test = load_cifar10(where)
        images, labels = train.tensors
        assert images.shape == (5, 3, 32, 32) and images.numpy().dtype == np.float32 and labels.numpy().dtype == np.int64
        np.testing.assert_array_equal(images.numpy()[3:], parts["data_batch_2"][0].astype(np.float32) / np.float32(255))
        np.testing.assert_array_equal(test.tensors[1].numpy(), parts["test_batch"][1])
    train, _ = load_cifar10(root, np.uint8)
    np.testing.assert_array_equal(train.tensors[0].numpy()[:3], parts["data_batch_1"][0])


def test_damaged_cifar_is_refused(cifar):
    root, folder, _ = cifar
    path = folder / "data_batch_2.bin"
    whole = path.read_bytes()
    for content, rule in (
        (whole[:-1], r"data_batch_2.bin: a binary file of CIFAR-10 must be whole records of 3073 bytes, got 6145 bytes"),
        (b"", "data_batch_2.bin: .* got 0 bytes"),
        (whole[:3073] + b"\x0a" + whole[3074:], "data_batch_2.bin: classes must be 0 to 9, got 10 in record 1"),
    ):
        path.write_bytes(content)
        with pytest.raises(FileError, match=rule):
            load_cifar10(root)
    (folder / "test_batch.bin").unlink()
    with pytest.raises(FileError, match=r"cifar-10-batches-bin: data_batch_1.bin to .* must be there"):
        load_cifar10(root)
    with pytest.raises(FileError, match="must be there"):
        load_cifar10(root / "nowhere")
    with pytest.raises(FileNotFoundError):
        read_cifar10(root / "nowhere.bin")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("code", "dtype"), [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_is_read_as_written(tmp_path, rng, code, dtype, packed):
    for shape in ((), (0,), (7,), (2, 3, 4)):
        array = rng.integers(0, 100, shape).astype(dtype)
        content = idx_bytes(array, code)
        (tmp_path / "file").write_bytes(gzip.compress(content) if packed else content)
        found = read_idx(tmp_path / "file")
        np.testing.assert_array_equal(found, array)
        assert found.dtype == np.dtype(dtype).newbyteorder("=") and found.dtype.isnative


WHOLE = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(("content", "rule"), [
    (b"", "an IDX file must begin with two zeros .* got bytes none"),
    (b"\0\0\x08", "an IDX file must begin with two zeros .* got bytes 00 00 08"),
    (b"\x89PNG....", "an IDX file must begin with two zeros .* got bytes 89 50 4e 47"),
    (b"\0\0\x07\x01", "the code of a dtype, got bytes 00 00 07 01"),
    (WHOLE[:9], "the header must have 2 sizes, got 5 of 8 bytes"),
    (WHOLE[:-1], r"12 bytes must follow the header of shape \(3, 4\), got 11"),
    (WHOLE + b"\0", r"12 bytes must follow the header of shape \(3, 4\), got more"),
    (b"\0\0\x08\x04" + b"\xff" * 16 + b"abc", "bytes must follow the header of shape .* got 3"),
    (gzip.compress(WHOLE)[:-9], "must be a complete gzip file"),
    (gzip.compress(WHOLE)[:-8] + bytes(8), "must be a complete gzip file, but CRC check failed"),
    (b"\0\0\x08\x64" + bytes(400), r"its shape must be one that NumPy can hold"),
    (b"\0\0\x08\x04" + bytes(4) + b"\xff" * 12, r"its shape must be one that NumPy can hold"),
    (gzip.compress(WHOLE[:-1]), "12 bytes must follow the header"),
], ids=range(13))  # fmt: skip
def test_damaged_idx_is_refused(tmp_path, content, rule):
    (tmp_path / "bad-idx").write_bytes(content)
    with pytest.raises(FileError, match=f"bad-idx: .*{rule}|bad-idx: {rule}"):
        read_idx(tmp_path / "bad-idx")


def test_mnist_is_put_together(tmp_path, rng):
    arrays = {}
    for part, count in (("train", 5), ("t10k", 2)):
        arrays[part] = rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(arrays[part][0])))
        (tmp_path / f"{part}-labels.idx1-ubyte").write_bytes(idx_bytes(arrays[part][1]))
    train, test = load_mnist(tmp_path)
    assert len(train) == 5 and test.tensors[0].shape == (2, 1, 28, 28) and float(train.tensors[0].max()) <= 1
    np.testing.assert_array_equal(train.tensors[1].numpy(), arrays["train"][1])
    np.testing.assert_array_equal(load_mnist(tmp_path, np.uint8)[1].tensors[0].numpy()[:, 0], arrays["t10k"][0])
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(arrays["train"][1]))
    with pytest.raises(FileError, match=r"t10k-labels.*: there must be as many labels as images, got 5 for 2 in"):
        load_mnist(tmp_path)
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(arrays["train"][0]))
    with pytest.raises(FileError, match=r"t10k-labels.*: must hold bytes in 1 dimensions"):
        load_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileError, match=r"train-images-idx3-ubyte must be there, or the same with \.gz"):
        load_mnist(tmp_path)
