"""The tensor as an object: data in and out, memory shared or not, printing, pickling, dtypes, errors."""

import copy
import pickle

import numpy as np
import pytest

import minidl
from minidl import ArgumentError, DTypeError, GradError, ShapeError, tensor


class TestMaking:
    @pytest.mark.parametrize(
        ("data", "dtype", "shape"),
        [
            (1.5, "float32", ()),
            (2, "int64", ()),
            (True, "bool", ()),
            ([[1, 2.0]], "float32", (1, 2)),
            ([], "float32", (0,)),
            ([[], []], "float32", (2, 0)),
            ((1, 2), "int64", (2,)),
            (range(3), "int64", (3,)),
            (np.float64(1), "float64", ()),
            (np.arange(3, dtype=np.int16), "int16", (3,)),
            ([np.float64(1.0)], "float64", (1,)),
            ([True, False], "bool", (2,)),
        ],
    )
    def test_dtypes(self, data, dtype, shape):
        made = tensor(data)
        assert made.dtype.name == dtype and made.shape == shape

    def test_nested_tensors(self):
        assert tensor([tensor([1, 2]), tensor([3, 4])]).tolist() == [[1, 2], [3, 4]]

    def test_dtype_argument(self):
        for dtype in (minidl.float64, np.float64, "float64", minidl.double):
            assert tensor([1], dtype=dtype).dtype is minidl.float64
        assert tensor(1, dtype=float).dtype is minidl.float32
        assert tensor(1.7, dtype=int).item() == 1

    def test_default_dtype(self):
        minidl.set_default_dtype(minidl.float64)
        assert tensor(1.0).dtype is minidl.zeros(1).dtype is (tensor([1]) / 2).dtype is minidl.float64
        with pytest.raises(DTypeError, match="a floating-point dtype is needed"):
            minidl.set_default_dtype(minidl.int64)

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda: tensor([[1], [1, 2]]), ShapeError, "nested sequences must have equal lengths"),
            (lambda: tensor("text"), DTypeError, "numbers or nested sequences of numbers are needed, got data str"),
            (lambda: tensor([None]), DTypeError, "got data NoneType"),
            (lambda: tensor(np.array([1j])), DTypeError, "dtype: must be one of float16, .* got dtype complex128"),
            (lambda: minidl.from_numpy([1]), DTypeError, "from_numpy: a numpy array is needed, got ndarray list"),
            (lambda: tensor([1], requires_grad=True), GradError, "only floating-point tensors can require grad, got dtype minidl.int64"),
            (lambda: tensor([1.0], device="cuda"), ArgumentError, "device: minidl computes on the CPU only, got type cuda"),
            (lambda: minidl.zeros(-1), ShapeError, "zeros: sizes must not be negative, got size \\(-1,\\)"),
            (lambda: minidl.zeros(1.5), DTypeError, "zeros: sizes must be integers"),
            (lambda: minidl.ones(2**40, 0, 2**40), ShapeError, "ones: sizes must give less than 2\\*\\*59 elements"),
            (lambda: minidl.arange(3, 0), ArgumentError, "arange: step must lead from start to end"),
            (lambda: minidl.linspace(0, 1, -1), ArgumentError, "linspace: steps must not be negative"),
        ],
    )
    def test_what_is_refused(self, call, error, message):
        with pytest.raises(error, match=message):
            call()

    def test_big_endian_data_is_converted(self):
        assert tensor(np.array([1.0, 2.0], ">f8")).tolist() == [1, 2]

    def test_creation(self):
        assert minidl.zeros(2, 3).shape == minidl.zeros((2, 3)).shape == minidl.zeros(minidl.Size([2, 3])).shape == (2, 3)
        assert minidl.full((2,), 1.5).tolist() == [1.5, 1.5]
        assert minidl.full((), True).dtype is minidl.bool
        assert minidl.eye(2, 3).shape == (2, 3)
        assert minidl.arange(5, 0, -2).tolist() == [5, 3, 1]
        assert minidl.arange(0, 1, 0.25).dtype is minidl.float32
        assert minidl.ones_like(tensor([1, 2])).dtype is minidl.int64
        assert minidl.zeros(2, device="cpu", layout=minidl.strided, requires_grad=True).requires_grad
        assert tensor([1.0]).new_zeros(2, 2).shape == (2, 2)


class TestMemory:
    def test_tensor_copies(self):
        a = np.zeros(2)
        x = tensor(a)
        a[0] = 1
        assert x.tolist() == [0, 0]
        y = tensor(x)
        x[0] = 5
        assert y.tolist() == [0, 0]

    def test_from_numpy_and_numpy_share(self):
        a = np.zeros((2, 2))
        x = minidl.from_numpy(a.T)
        x[0, 1] = 7
        assert a[1, 0] == 7 and np.shares_memory(x.numpy(), a)
        assert np.shares_memory(np.asarray(x), a) and not np.shares_memory(np.array(x), a)

    def test_numpy_copy_semantics(self):
        x = minidl.ones(2)
        assert np.asarray(x, copy=False) is x.numpy()
        assert np.asarray(x, dtype=np.float64).dtype == np.float64
        with pytest.raises(ValueError, match="copy"):
            np.asarray(x, dtype=np.float64, copy=False)

    def test_what_requires_grad_does_not_leak(self):
        x = minidl.ones(2, requires_grad=True)
        for leak in (x.numpy, lambda: np.asarray(x), x.__dlpack__):
            with pytest.raises(GradError, match="requires grad"):
                leak()
        assert x.detach().numpy().tolist() == x.numpy(force=True).tolist() == [1, 1]

    def test_dlpack_both_ways(self):
        a = np.arange(3.0)
        x = minidl.from_dlpack(a)
        a[0] = 9
        assert x[0].item() == 9
        assert np.shares_memory(np.from_dlpack(x), a)
        assert np.shares_memory(minidl.from_dlpack(x).numpy(), a)

    def test_numpy_functions_take_tensors(self):
        assert isinstance(np.exp(minidl.ones(2)), minidl.Tensor)
        assert np.add(minidl.ones(2), 1).tolist() == [2, 2]

    def test_an_array_on_the_left(self):
        out = np.ones(2, np.float32) * tensor([1.0, 2.0], requires_grad=True)
        assert isinstance(out, minidl.Tensor) and out.requires_grad
        assert isinstance(np.float32(2) * minidl.ones(2), minidl.Tensor)

    def test_equality_with_what_is_no_number(self):
        x = minidl.ones(2)
        assert (x == None) is False and (x != None) is True and (x == "text") is False  # noqa: E711
        assert x in [None, "text", x] and (x == np.ones(2)).all()
        with pytest.raises(DTypeError, match="eq: operands must be tensors or numbers"):
            x.eq(None)

    def test_views_share(self):
        x = minidl.zeros(2, 3)
        for view in (
            x.view(6),
            x.reshape(3, 2),
            x.T,
            x[0],
            x[:, 1:],
            x.unsqueeze(0),
            x.detach(),
            x.data,
            x[0, 0],
            x.permute(1, 0),
            x.chunk(2)[0],
            x.diagonal(),
            x.diagonal(1),
        ):
            before = x.numpy().copy()
            view.add_(1)
            assert (x.numpy() != before).any()

    def test_copies_do_not_share(self):
        x = minidl.zeros(2, 3)
        for made in (x.clone(), x[tensor([0])], x[x == 0], x.flip(0), x.T.contiguous(), x.repeat(1, 1), x.double(), copy.deepcopy(x)):
            made.add_(1)
        assert x.sum().item() == 0

    def test_nothing_to_do_returns_the_same(self):
        x = minidl.zeros(2, 3)
        assert x.contiguous() is x.float() is x.to("cpu") is x.to(minidl.float32) is x.cpu() is minidl.as_tensor(x) is x

    def test_read_only_arrays(self):
        a = np.zeros(2)
        a.flags.writeable = False
        x = minidl.from_numpy(a)
        assert (x + 1).tolist() == [1, 1]
        with pytest.raises(ArgumentError, match="add_: the array is read-only"):
            x.add_(1)
        with pytest.raises(ArgumentError, match="setitem: the array is read-only"):
            x[0] = 1

    def test_misaligned_arrays(self):
        """Elements that start between memory words, as after an odd header or in a packed record."""
        memory = np.zeros(9, np.uint8)
        a = memory[1:].view(np.float32)
        for share in (minidl.from_numpy, minidl.Tensor):
            with pytest.raises(ArgumentError, match="elements must be aligned in memory to be shared"):
                share(a)
        for copied in (tensor(a), minidl.as_tensor(a)):
            assert copied.relu().tolist() == [0, 0] and copied.numpy().flags.aligned


class TestFacts:
    def test_shape(self):
        x = minidl.zeros(2, 3)
        assert repr(x.shape) == "minidl.Size([2, 3])" and x.shape.numel() == 6
        assert isinstance(x.shape[:1], minidl.Size) and x.size(-1) == 3 and x.size() == (2, 3)
        assert (x.dim(), x.ndim, x.numel(), len(x), x.stride(), x.T.stride(), x.element_size(), x.nbytes) == (
            2,
            2,
            6,
            2,
            (3, 1),
            (1, 3),
            4,
            24,
        )
        with pytest.raises(IndexError, match="size: dim must name a dimension"):
            x.size(2)

    def test_device_and_dtype(self):
        x = minidl.zeros(1)
        assert x.device == minidl.device("cpu") and str(x.device) == "cpu" and x.device.type == "cpu"
        assert repr(x.dtype) == "minidl.float32" and x.dtype.is_floating_point and x.layout is minidl.strided
        assert x.type() == "minidl.float32" and x.long().dtype is minidl.int64 and x.half().dtype is minidl.float16

    def test_numbers(self):
        assert float(tensor(1.5)) == 1.5 and int(tensor([3])) == 3 and bool(tensor([[True]]))
        assert [10, 20, 30][tensor(1)] == 20
        assert f"{tensor(1.5):.2f}" == "1.50" and 2 in tensor([1, 2]) and 3 not in tensor([1, 2])
        assert list(map(minidl.Tensor.item, tensor([1, 2]))) == [1, 2]

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda: minidl.ones(2).item(), ShapeError, r"item: exactly one element is needed, got input \(2,\)"),
            (lambda: bool(minidl.ones(2)), ShapeError, "the truth of several elements is ambiguous"),
            (lambda: len(tensor(1)), TypeError, "a 0-d tensor has no length"),
            (lambda: list(tensor(1)), TypeError, "a 0-d tensor cannot be iterated"),
            (lambda: [1][tensor(0.0)], DTypeError, "only integer tensors"),
            (lambda: minidl.ones(1).to("cuda"), ArgumentError, "CPU only"),
        ],
    )
    def test_what_is_refused(self, call, error, message):
        with pytest.raises(error, match=message):
            call()

    def test_hash_is_identity(self):
        x, y = minidl.ones(1), minidl.ones(1)
        assert len({x, y, x}) == 2

    def test_leaves(self):
        x = minidl.ones(1, requires_grad=True)
        y = x * 2
        assert x.is_leaf and x.grad_fn is None and not y.is_leaf and y.grad_fn.name() == "MulBackward"
        assert y.detach().is_leaf and not y.detach().requires_grad
        with pytest.raises(GradError, match="only of a leaf"):
            y.requires_grad = False
        with pytest.raises(GradError, match="only floating-point"):
            tensor([1]).requires_grad_()

    def test_data_can_be_replaced(self):
        x = minidl.ones(2, requires_grad=True)
        x.data = minidl.zeros(3)
        assert x.shape == (3,) and x.requires_grad
        x.data.fill_(2)
        assert x.tolist() == [2, 2, 2]

    def test_methods_can_be_seen_on_the_class(self):
        for name in ("__mul__", "sum", "add_", "view", "T", "backward", "matmul", "normal_", "to", "gather"):
            assert name in vars(minidl.Tensor)


class TestText:
    @pytest.mark.parametrize(
        ("made", "text"),
        [
            (lambda: tensor(1.0), "tensor(1.)"),
            (lambda: tensor([1.0, -2.0]), "tensor([ 1., -2.])"),
            (lambda: tensor([1.5, 2.0]), "tensor([1.5000, 2.0000])"),
            (lambda: tensor([1e-8, 1.0]), "tensor([1.0000e-08, 1.0000e+00])"),
            (lambda: tensor([float("nan"), 1.0, float("inf")]), "tensor([nan, 1., inf])"),
            (lambda: tensor([1, 10]), "tensor([ 1, 10])"),
            (lambda: tensor([True, False]), "tensor([ True, False])"),
            (lambda: tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
            (lambda: tensor([]), "tensor([])"),
            (lambda: minidl.zeros(2, 0), "tensor([], size=(2, 0))"),
            (lambda: tensor([1], dtype=minidl.int32), "tensor([1], dtype=minidl.int32)"),
            (lambda: tensor([1.0], dtype=minidl.float64), "tensor([1.], dtype=minidl.float64)"),
            (lambda: tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
            (lambda: tensor([1.0], requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward>)"),
        ],
    )
    def test_looks_like_pytorch(self, made, text):
        assert repr(made()) == text

    def test_long_tensors_are_summarised(self):
        assert repr(minidl.zeros(2000)) == "tensor([0., 0., 0., ..., 0., 0., 0.])"


class TestCopies:
    def test_pickle(self):
        x = minidl.rand(3, requires_grad=True)
        y = pickle.loads(pickle.dumps(x))
        assert minidl.equal(x, y) and y.requires_grad and y.dtype is x.dtype

    def test_pickle_of_words(self):
        for word in (minidl.float32, minidl.bool, minidl.strided, minidl.channels_last, minidl.device("cpu")):
            assert pickle.loads(pickle.dumps(word)) is word

    def test_deepcopy(self):
        x = minidl.ones(2, requires_grad=True)
        (x * 2).sum().backward()
        y = copy.deepcopy([x, x])
        assert y[0] is y[1] and y[0].grad.tolist() == [2, 2] and y[0].grad is not x.grad

    def test_only_leaves(self):
        y = minidl.ones(1, requires_grad=True) * 2
        for make in (pickle.dumps, copy.deepcopy, copy.copy):
            with pytest.raises(GradError, match="only leaves"):
                make(y)


class TestRandom:
    def test_seed_repeats(self):
        results = []
        for _ in range(2):
            minidl.manual_seed(3)
            results.append([minidl.rand(3), minidl.randn(3), minidl.randint(10, (3,)), minidl.randperm(5)])
        assert all(minidl.equal(a, b) for a, b in zip(*results, strict=True))

    def test_state_continues(self):
        minidl.randn(3)
        state = minidl.get_rng_state()
        first = minidl.randn(5)
        minidl.set_rng_state(state)
        assert minidl.equal(first, minidl.randn(5)) and state.dtype is minidl.uint8
        with pytest.raises(ArgumentError, match="a state is 112 bytes"):
            minidl.set_rng_state(minidl.zeros(3))

    def test_generators_are_apart(self):
        a, b = minidl.Generator().manual_seed(1), minidl.Generator().manual_seed(2)
        assert not minidl.equal(minidl.rand(4, generator=a), minidl.rand(4, generator=b))
        assert a.initial_seed() == 1 and minidl.Generator().manual_seed(-1).initial_seed() == 2**64 - 1

    def test_distributions(self):
        n = 20_000
        assert abs(minidl.rand(n).mean().item() - 0.5) < 0.02
        assert abs(minidl.randn(n).std().item() - 1) < 0.03
        assert abs(minidl.normal(2.0, 3.0, (n,)).mean().item() - 2) < 0.1
        assert abs(minidl.bernoulli(minidl.full((n,), 0.3)).mean().item() - 0.3) < 0.02
        assert minidl.randint(3, 7, (n,)).unique().tolist() == [3, 4, 5, 6]
        x = minidl.empty(n)
        assert x.uniform_(2, 4).min() >= 2 and abs(x.mean().item() - 3) < 0.05
        assert abs(x.normal_(1, 2).std().item() - 2) < 0.1 and abs(x.exponential_(2).mean().item() - 0.5) < 0.05
        assert abs(minidl.poisson(minidl.full((n,), 4.0)).mean().item() - 4) < 0.1

    def test_multinomial(self):
        weights = tensor([0.0, 1.0, 3.0])
        drawn = minidl.multinomial(weights, 8000, replacement=True).bincount(minlength=3) / 8000
        np.testing.assert_allclose(drawn.numpy(), [0, 0.25, 0.75], atol=0.03)
        assert sorted(minidl.multinomial(weights, 2).tolist()) == [1, 2]
        with pytest.raises(minidl.RangeError, match="as many weights above zero as samples"):
            minidl.multinomial(weights, 3)

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda: minidl.randint(5, 5, (1,)), minidl.RangeError, "randint: low must be less than high, got low 5, high 5"),
            (lambda: minidl.rand(2, dtype=minidl.int64), DTypeError, "rand: a floating-point dtype is needed"),
            (lambda: minidl.rand(2, generator=3), DTypeError, "generator must be a minidl.Generator"),
            (lambda: minidl.normal(0.0, -1.0, (2,)), minidl.RangeError, "normal: std must not be negative"),
            (lambda: minidl.manual_seed("a"), DTypeError, "manual_seed: seed must be an integer"),
            (lambda: minidl.bernoulli(tensor([2.0])), minidl.RangeError, "probabilities must lie between 0 and 1"),
            (lambda: minidl.ones(2, requires_grad=True).normal_(), GradError, "normal_: a leaf that requires grad"),
        ],
    )
    def test_what_is_refused(self, call, error, message):
        with pytest.raises(error, match=message):
            call()


class TestInPlaceWithoutGraph:
    def test_changes_the_memory(self):
        a = np.ones(3, np.float32)
        x = minidl.from_numpy(a)
        x.add_(1).mul_(tensor([1.0, 2.0, 3.0])).sub_(1, alpha=2).div_(2).clamp_(max=1.5).neg_()
        np.testing.assert_array_equal(a, [0, -1, -1.5])
        x += 1
        x[x > 0] = 9
        np.testing.assert_array_equal(a, [9, 0, -0.5])
        x.copy_(tensor([1, 2, 3])).fill_(4).zero_()
        np.testing.assert_array_equal(a, 0)

    def test_setitem_kinds(self):
        x = minidl.zeros(3, 3)
        x[0] = 1
        x[1] = [1, 2, 3]
        x[2, 1:] = tensor([5, 6])
        x[tensor([0, 2]), tensor([0, 0])] = tensor([7.0, 8.0])
        x[..., 1][0] = -1
        assert x.tolist() == [[7, -1, 1], [1, 2, 3], [8, 5, 6]]
        with pytest.raises(ShapeError, match=r"setitem: the value must broadcast to the place, got place \(3,\), value \(2,\)"):
            x[0] = tensor([1.0, 2.0])
        with pytest.raises(IndexError, match="setitem"):
            x[5] = 1

    def test_scalars_of_a_higher_kind(self):
        assert tensor([1, 2]).mul_(3).tolist() == [3, 6]
        with pytest.raises(DTypeError, match="cannot be stored"):
            tensor([1, 2]).mul_(1.5)
        x = minidl.ones(2)
        x.add_(tensor([1.0, 2.0], dtype=minidl.float64))
        assert x.dtype is minidl.float32 and x.tolist() == [2, 3]
