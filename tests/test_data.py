"""Datasets, samplers, collating, the loader and its resuming; the digits."""

import threading
import time
from collections import namedtuple

import numpy as np
import pytest

import minidl
from minidl import data
from minidl.data import DataLoader, TensorDataset
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError


class Squares(data.Dataset):
    def __init__(self, length=20):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == 13:
            raise ValueError("sample 13 is broken")
        return float(index), index * index


class Stream(data.IterableDataset):
    def __iter__(self):
        return iter(range(10))


def flat(loader):
    return [value for batch in loader for value in batch.tolist()]


# ---- datasets ----------------------------------------------------------------------------------------------------


def test_tensor_dataset():
    pairs = TensorDataset(minidl.arange(6).reshape(3, 2), minidl.tensor([7, 8, 9]))
    assert len(pairs) == 3
    x, y = pairs[2]
    assert (x.tolist(), y.item()) == ([4, 5], 9)
    assert [t.tolist() for t in pairs.fetch_batch([2, 0])] == [[[4, 5], [0, 1]], [9, 7]]
    with pytest.raises(ShapeError, match=r"same length of the first axis, got shapes \(\(3,\), \(2,\)\)"):
        TensorDataset(minidl.zeros(3), minidl.zeros(2))
    with pytest.raises(ShapeError):
        TensorDataset(minidl.tensor(1.0))


def test_subset_and_concatenation():
    both = data.ConcatDataset([range(3), range(10, 12)]) + data.Subset("xyz", [2])
    assert [both[i] for i in range(len(both))] == [0, 1, 2, 10, 11, "z"]
    assert both[-1] == "z"
    with pytest.raises(RangeError, match="got index 6, length 6"):
        both[6]
    with pytest.raises(ArgumentError, match="must not be empty"):
        data.ConcatDataset([])


def test_random_split_partitions():
    parts = data.random_split(range(10), [7, 3], generator=5)
    assert sorted(i for part in parts for i in part) == list(range(10))
    assert [len(part) for part in parts] == [7, 3]
    again = data.random_split(range(10), [7, 3], generator=5)
    assert list(parts[0]) == list(again[0])
    assert [len(part) for part in data.random_split(range(7), [0.5, 0.5], generator=1)] == [4, 3]
    for bad in ([5, 4], [0.5, 0.6], [-1, 11]):
        with pytest.raises(ArgumentError, match="random_split: lengths"):
            data.random_split(range(10), bad)


def test_stratified_split_keeps_the_shares():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    rest, part = data.stratified_split(labels, 0.2, seed=3)
    assert np.bincount(labels[part]).tolist() == [10, 6, 4]
    assert sorted([*rest, *part]) == list(range(100))
    np.testing.assert_array_equal(part, data.stratified_split(minidl.from_numpy(labels), 0.2, seed=3)[1])
    with pytest.raises(ArgumentError, match="fraction"):
        data.stratified_split(labels, 1.5)


def test_digits_have_a_fixed_stratified_split():
    pytest.importorskip("sklearn")
    train, test = data.load_digits()
    assert (len(train), len(test)) == (1438, 359)
    images, labels = train.tensors
    assert images.shape == (1438, 1, 28, 28)
    assert images.dtype is minidl.float32
    assert 0 <= images.numpy().min() <= images.numpy().max() <= 1
    assert np.bincount(test.tensors[1].numpy()).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    assert labels.dtype is minidl.int64
    again, _ = data.load_digits(size=8)
    assert again.tensors[1].tolist() == labels.tolist()
    assert again.tensors[0].shape == (1438, 1, 8, 8)


def test_resampling_keeps_constants_and_straight_lines():
    ramp = np.arange(8.0)[:, None] * np.ones(8)
    out = data.resize_images(ramp, 16, 16)
    np.testing.assert_allclose(out[4:-4, 0], ((np.arange(16) + 0.5) / 2 - 0.5)[4:-4])
    np.testing.assert_allclose(data.resize_images(np.full((2, 5, 7), 3.0), 9, 4), 3)


# ---- samplers ----------------------------------------------------------------------------------------------------


def test_samplers():
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(data.RandomSampler(range(50))) == list(range(50))
    assert list(data.RandomSampler(range(50), generator=1)) == list(data.RandomSampler(range(50), generator=1))
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=100))
    assert len(drawn) == 100
    assert set(drawn) == {0, 1, 2}
    assert len(list(data.RandomSampler(range(3), num_samples=7))) == 7
    assert sorted(data.SubsetRandomSampler([4, 2])) == [2, 4]
    weighted = list(data.WeightedRandomSampler([1, 0, 3], 4000, generator=0))
    assert weighted.count(1) == 0
    assert abs(weighted.count(2) / 4000 - 0.75) < 0.04
    assert sorted(data.WeightedRandomSampler([1, 1, 0], 2, replacement=False)) == [0, 1]


def test_samplers_refuse_nonsense():
    for call in (
        lambda: data.RandomSampler(range(3), num_samples=0),
        lambda: data.RandomSampler(range(3), replacement="no"),
        lambda: data.BatchSampler(range(3), 0, False),
        lambda: data.BatchSampler(range(3), 2, "no"),
        lambda: data.WeightedRandomSampler([0, 0], 2),
        lambda: data.WeightedRandomSampler([-1, 2], 2),
        lambda: data.WeightedRandomSampler([1, 0], 2, replacement=False),
    ):
        with pytest.raises(ArgumentError):
            call()


# ---- collating ---------------------------------------------------------------------------------------------------


def test_collate_takes_nested_samples():
    Pair = namedtuple("Pair", "x y")
    assert data.default_collate([1, 2]).dtype is minidl.int64
    assert data.default_collate([1.0, 2.0]).dtype is minidl.float64
    assert data.default_collate([True, False]).dtype is minidl.bool
    assert data.default_collate(["a", "b"]) == ["a", "b"]
    batch = data.default_collate([{"a": Pair(np.float32(1), 2)}, {"a": Pair(np.float32(3), 4)}])
    assert batch["a"].x.dtype is minidl.float32
    assert batch["a"].y.tolist() == [2, 4]


def test_collate_refuses_what_does_not_stack():
    with pytest.raises(ShapeError, match="same shape"):
        data.default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(ShapeError, match="same number of fields"):
        data.default_collate([(1, 2), (1,)])
    with pytest.raises(DTypeError, match="got object"):
        data.default_collate([object()])


# ---- the loader --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_in_order(workers):
    loader = DataLoader(Squares(10), batch_size=4, num_workers=workers)
    batches = list(loader)
    assert [x.tolist() for x, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches[1][1].tolist() == [16, 25, 36, 49]
    assert len(loader) == 3
    assert len(DataLoader(Squares(10), batch_size=4, drop_last=True)) == 2
    assert len(list(DataLoader(Squares(10), batch_size=4, drop_last=True, num_workers=workers))) == 2


def test_order_follows_the_seed_and_not_the_workers():
    orders = [
        flat(DataLoader(range(100), 7, shuffle=True, generator=minidl.Generator().manual_seed(3), num_workers=workers))
        for workers in (0, 1, 4)
    ]
    assert orders[0] == orders[1] == orders[2]
    assert orders[0] != list(range(100))
    assert sorted(orders[0]) == list(range(100))


def test_epochs_differ_and_the_global_seed_repeats_them():
    loader = DataLoader(range(30), 4, shuffle=True)
    minidl.manual_seed(1)
    first, second = flat(loader), flat(loader)
    minidl.manual_seed(1)
    assert first != second
    assert flat(loader) == first


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_in_a_sample_surfaces_at_its_batch(workers):
    batches = iter(DataLoader(Squares(20), batch_size=5, num_workers=workers))
    assert [next(batches)[0].tolist()[0] for _ in range(2)] == [0, 5]
    with pytest.raises(ValueError, match="sample 13 is broken"):
        next(batches)


def test_leaving_an_epoch_early_leaves_no_threads():
    before = threading.active_count()
    batches = iter(DataLoader(range(1000), batch_size=1, num_workers=3))
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


def test_workers_wait_no_longer_than_the_timeout():
    class Slow(Squares):
        def __getitem__(self, index):
            time.sleep(0.3)
            return index

    with pytest.raises(TimeoutError):
        next(iter(DataLoader(Slow(), num_workers=1, timeout=0.01)))


def test_worker_init_runs_in_each_thread():
    names = set()
    barrier = threading.Barrier(2, timeout=5)

    def start(number):
        barrier.wait()
        names.add((number, threading.current_thread().name))

    list(DataLoader(range(8), num_workers=2, worker_init_fn=start))
    assert {number for number, _ in names} == {0, 1}


def test_own_samplers_collate_and_no_batches():
    assert [x.tolist() for x in DataLoader(range(4), batch_sampler=[[3, 1], [0]])] == [[3, 1], [0]]
    assert flat(DataLoader(range(4), sampler=[2, 0], batch_size=2)) == [2, 0]
    assert list(DataLoader(range(4), batch_size=3, collate_fn=list)) == [[0, 1, 2], [3]]
    assert list(DataLoader(Squares(3), batch_size=None)) == [(0.0, 0), (1.0, 1), (2.0, 4)]
    assert list(DataLoader(range(0), batch_size=2, shuffle=True)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_streams(workers):
    assert [x.tolist() for x in DataLoader(Stream(), batch_size=4, num_workers=workers)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert len(list(DataLoader(Stream(), batch_size=4, drop_last=True))) == 2
    assert list(DataLoader(Stream(), batch_size=None)) == list(range(10))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [1, 3, 5])
def test_an_interrupted_epoch_goes_on_where_it_was(workers, taken):
    def make():
        return DataLoader(range(40), 4, shuffle=True, generator=minidl.Generator().manual_seed(9), num_workers=workers)

    whole, broken, resumed = make(), make(), make()
    expected = [flat(whole), flat(whole)]
    batches = iter(broken)
    begun = [value for _ in range(taken) for value in next(batches).tolist()]
    state = broken.state_dict()
    resumed.load_state_dict(state)
    assert begun + flat(resumed) == expected[0]
    assert flat(resumed) == expected[1]


def affine_loader(workers=0):
    images = minidl.from_numpy(np.random.default_rng(0).random((24, 1, 6, 6), dtype=np.float32))
    moving = data.RandomAffine(TensorDataset(images, minidl.arange(24)), degrees=20, translate=1, scale=0.1)
    return DataLoader(moving, 5, shuffle=True, generator=minidl.Generator().manual_seed(2), num_workers=workers)


def test_augmented_images_depend_on_the_seed_and_not_on_the_workers():
    epochs = [[[x.tolist() for x, _ in loader] for _ in range(2)] for loader in map(affine_loader, (0, 1, 4))]
    assert epochs[0] == epochs[1] == epochs[2]
    assert epochs[0][0] != epochs[0][1]


def test_augmented_images_are_the_same_after_resuming():
    expected = [x.tolist() for x, _ in affine_loader()]
    broken, resumed = affine_loader(), affine_loader()
    batches = iter(broken)
    begun = [next(batches)[0].tolist() for _ in range(3)]
    resumed.load_state_dict(broken.state_dict())
    assert begun + [x.tolist() for x, _ in resumed] == expected


def test_affine_movements():
    image = np.zeros((1, 2, 5, 7))
    image[0, :, 2, 3] = 1
    random = np.random.default_rng(0)
    np.testing.assert_allclose(data.random_affine(image, random), image, atol=1e-12)
    turned = data.random_affine(image, random, degrees=180)
    np.testing.assert_allclose(turned[0, 0, 2, 3], 1)  # the centre stays
    moved = data.random_affine(np.repeat(image, 50, axis=0), random, translate=1)
    np.testing.assert_allclose(moved.sum(axis=(1, 2, 3)), 2)  # linear interpolation keeps the mass inside
    assert (data.random_affine(np.ones((3, 1, 4, 4)), random, translate=50) == 0).any()

    class Fixed:
        def __init__(self, *values):
            self.values = list(values)

        def uniform(self, low, high, shape):
            return np.full(shape, self.values.pop(0))

    right = data.random_affine(image, Fixed(90.0, 0.0, 0.0), degrees=90)
    np.testing.assert_allclose(right[0, 0, 2, 3], 1)
    corner = np.zeros((1, 1, 3, 3))
    corner[0, 0, 0, 1] = 1
    np.testing.assert_allclose(data.random_affine(corner, Fixed(90.0, 0.0, 0.0), degrees=90)[0, 0].sum(), 1)
    shifted = data.random_affine(corner, Fixed(0.0, 0.0, 1.0), translate=1)
    assert shifted[0, 0, 1, 2] == 1


def test_a_finished_epoch_is_not_resumed():
    loader = DataLoader(range(4), 2)
    list(loader)
    other = DataLoader(range(4), 2)
    other.load_state_dict(loader.state_dict())
    assert flat(other) == [0, 1, 2, 3]
    with pytest.raises(ArgumentError, match="position"):
        other.load_state_dict({})


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"num_workers": -1},
        {"timeout": -1},
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"prefetch_factor": 2},
    ],
)
def test_options_that_make_no_sense(options):
    with pytest.raises(ArgumentError, match="DataLoader: "):
        DataLoader(range(4), **options)


def test_a_stream_cannot_be_shuffled():
    with pytest.raises(ArgumentError, match="IterableDataset"):
        DataLoader(Stream(), shuffle=True)


def test_the_other_name_is_the_same_module():
    import minidl.utils.data as other

    assert other is data
    assert minidl.utils.data is data
