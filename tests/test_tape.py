"""The tape: order, accumulation, hooks, versions, modes, user functions, second order, size, threads."""

import gc
import threading
import weakref

import numpy as np
import pytest

import minidl
from minidl import GradError
from minidl.autograd import Function, detect_anomaly, grad


def leaf(*values, **options):
    return minidl.tensor(list(values), requires_grad=True, dtype=minidl.float64, **options)


def array(tensor):
    return tensor.detach().numpy()


class TestBackward:
    def test_gradients_of_a_shared_input_add_up(self):
        x = leaf(2.0, 3.0)
        y = x * x
        (y * x + y).sum().backward()
        np.testing.assert_allclose(array(x.grad), 3 * np.array([4, 9]) + 2 * np.array([2, 3]))

    def test_a_node_waits_for_all_who_use_it(self):
        x = leaf(1.0)
        a = x * 2
        for _ in range(3):
            b = a * 3
            a = b + a
        a.sum().backward()
        assert x.grad.item() == 2 * 4**3

    def test_second_backward_accumulates(self):
        x = leaf(1.0)
        for expected in (2.0, 4.0):
            (x * 2).sum().backward()
            assert x.grad.item() == expected

    def test_accumulation_changes_the_same_tensor(self):
        x = leaf(1.0)
        (x * 2).sum().backward()
        kept = x.grad
        (x * 2).sum().backward()
        assert x.grad is kept and kept.item() == 4

    def test_gradients_of_two_leaves_are_never_one_array(self):
        x, y = leaf(1.0), leaf(1.0)
        (x + y).backward()
        x.grad.zero_()
        assert y.grad.item() == 1

    def test_the_gradient_given_is_not_stored(self):
        x, seed = leaf(1.0), minidl.ones(1, dtype=minidl.float64)
        (x + 0).backward(seed)
        x.grad.zero_()
        assert seed.item() == 1

    def test_the_gradient_of_a_sum_can_be_changed(self):
        x = leaf(1.0, 2.0)
        x.sum().backward()
        x.grad.mul_(3)
        assert x.grad.tolist() == [3, 3] and x.grad.is_contiguous()

    @pytest.mark.parametrize("equation", ["ij->ij", "ij->ji", "ij->i", "ij->"])
    def test_the_gradient_of_a_copy_can_be_changed(self, equation):
        x = minidl.rand(5, 1, requires_grad=True)
        minidl.einsum(equation, x).sum().backward()
        x.grad.mul_(3)
        assert x.grad.tolist() == [[3]] * 5

    @pytest.mark.parametrize(
        "reduce", [lambda x: x.sum(0).sum(), lambda x: x.amax(1).sum(), lambda x: minidl.stack([x.prod(0), x.logsumexp(0)], 1).sum()]
    )
    def test_a_reduction_of_a_reduction(self, reduce):
        assert minidl.autograd.gradcheck(reduce, minidl.tensor([[1.0, 2.0], [4.0, 3.0]], dtype=minidl.float64, requires_grad=True))

    def test_a_transposed_gradient_is_stored_in_order(self):
        x = minidl.rand(2, 3, requires_grad=True)
        (x.T * minidl.rand(3, 2)).sum().backward()
        assert x.grad.is_contiguous() and x.grad.shape == (2, 3)

    def test_a_leaf_is_its_own_gradient(self):
        x = minidl.tensor(3.0, requires_grad=True)
        x.backward()
        assert x.grad.item() == 1

    def test_saved_arrays_are_freed(self):
        x = leaf(1.0)
        y = (x * x).exp()
        y.sum().backward(retain_graph=True)
        y.sum().backward()
        with pytest.raises(GradError, match="freed by an earlier backward; pass retain_graph=True"):
            y.sum().backward()

    def test_a_graph_that_saves_nothing_can_be_walked_again(self):
        x = leaf(1.0)
        y = (x + x).sum()
        y.backward()
        y.backward()
        assert x.grad.item() == 4

    def test_several_roots(self):
        x = leaf(1.0, 2.0)
        minidl.autograd.backward([x.sum(), (x * x)], [None, minidl.ones(2, dtype=minidl.float64)])
        assert x.grad.tolist() == [3, 5]

    def test_only_the_inputs_asked_for(self):
        x, y = leaf(1.0), leaf(2.0)
        (x * y).sum().backward(inputs=[x])
        assert x.grad.item() == 2 and y.grad is None

    def test_inner_tensors_as_inputs(self):
        x = leaf(2.0)
        y = x * x
        (y * 3).sum().backward(inputs=[y])
        assert y.grad.item() == 3 and x.grad is None

    def test_sums_change_nothing_that_others_hold(self):
        x, v = minidl.ones(3, requires_grad=True), minidl.ones(3, requires_grad=True)
        seed, seen = minidl.ones(3), []
        h = x * 2
        more = h * 3
        h.register_hook(seen.append)
        out = (h + v) + more + h  # one array is the gradient of all four
        for times in (1, 2):
            out.backward(seed, retain_graph=True)
            assert x.grad.tolist() == [10.0 * times] * 3 and v.grad.tolist() == [1.0 * times] * 3
            assert seed.tolist() == [1.0] * 3 and seen[-1].tolist() == [5.0] * 3
        (kept,) = minidl.autograd.grad(out, h, seed, retain_graph=True)
        out.backward(seed)
        assert kept.tolist() == [5.0] * 3

    def test_sums_take_the_place_of_a_gradient_that_nobody_else_has(self):
        places = []

        class Double(Function, arrays=True):
            def forward(ctx, x):
                return x + x

            def backward(ctx, grad):
                places.append(grad.ctypes.data)
                doubled = grad + grad
                places.append(doubled.ctypes.data)
                return doubled

        x = minidl.ones(50, requires_grad=True)
        h = Double.apply(x)
        (Double.apply(h) + Double.apply(h)).backward(minidl.ones(50))
        assert x.grad.tolist() == [8.0] * 50
        assert places[4] == places[1]  # what h gets is where the first of its two gradients was

    def test_gradients_of_leaves_share_no_memory(self):
        a, b, c, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0), minidl.ones(1, 2, dtype=minidl.float64)
        out = a.reshape(1, 2) + b.reshape(1, 2) + c.reshape(2, 1).reshape(1, 2)
        out.backward(seed, retain_graph=True)
        arrays = [each.numpy() for each in (a.grad, b.grad, c.grad, seed)]
        assert not any(np.shares_memory(x, y) for i, x in enumerate(arrays) for y in arrays[:i])
        out.backward(seed)
        assert a.grad.tolist() == b.grad.tolist() == c.grad.tolist() == [2, 2] and seed.tolist() == [[1, 1]]

    def test_a_gradient_that_others_refer_to_is_copied(self):
        held = []

        class Keep(Function, arrays=True):
            def forward(ctx, x):
                return x + 0

            def backward(ctx, grad):
                held.append(np.asarray(grad) * 2)
                return held[0].reshape(2)

        x = leaf(1.0, 2.0)
        Keep.apply(x).backward(minidl.ones(2, dtype=minidl.float64))
        assert x.grad.tolist() == [2, 2] and not np.shares_memory(x.grad.numpy(), held[0])

    def test_a_gradient_on_the_memory_of_others_is_copied(self):
        memory = bytearray(np.full(2, 2.0).tobytes())

        class Foreign(Function):
            def forward(ctx, x):
                return x + 0

            def backward(ctx, grad):
                return minidl.from_numpy(np.frombuffer(memory))

        x = leaf(1.0, 2.0)
        for _ in range(2):
            Foreign.apply(x).sum().backward()
        assert x.grad.tolist() == [4, 4] and np.frombuffer(memory).tolist() == [2, 2]

    def test_a_gradient_in_another_shape_is_not_copied(self):
        made = []

        class Reshaped(Function, arrays=True):
            def forward(ctx, x):
                return x + 0

            def backward(ctx, grad):
                fresh = np.asarray(grad) * 2
                made.append(fresh.__array_interface__["data"][0])
                return fresh.reshape(1, 2).reshape(2)

        x = leaf(1.0, 2.0)
        Reshaped.apply(x).backward(minidl.ones(2, dtype=minidl.float64))
        assert x.grad.numpy().__array_interface__["data"][0] == made[0] and x.grad.tolist() == [2, 2]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: minidl.ones(1).backward(), "does not require grad"),
            (lambda: leaf(1.0, 2.0).backward(), r"made up only for a tensor of one element; pass one, got shape \(2,\)"),
            (lambda: (leaf(1.0) * 2).backward(minidl.ones(3)), r"the shape of its tensor, got tensor \(1,\), gradient \(3,\)"),
            (lambda: (leaf(1.0) * 2).backward(2.0), "gradients must be tensors, got type float"),
        ],
    )
    def test_what_is_refused(self, make, message):
        with pytest.raises(minidl.MinidlError, match=message):
            make()


class TestGrad:
    def test_leaves_grad_alone(self):
        x = leaf(3.0)
        (found,) = grad(x * x, x)
        assert found.item() == 6 and x.grad is None

    def test_unused_inputs(self):
        x, y = leaf(1.0), leaf(1.0)
        with pytest.raises(GradError, match="allow_unused=True"):
            grad(x * 2, [x, y])
        assert grad(x * 2, [x, y], allow_unused=True)[1] is None
        assert grad(x * 2, [x, y], materialize_grads=True)[1].item() == 0

    def test_with_respect_to_an_inner_tensor(self):
        x = leaf(2.0)
        y = x * x
        assert grad(y * y, y)[0].item() == 8

    def test_both_of_two_on_one_path(self):
        x = leaf(2.0)
        y = x * x
        found = grad(y * 3, [x, y])
        assert [each.item() for each in found] == [12, 3]

    def test_runs_only_what_is_needed(self):
        calls = []

        class Spy(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                calls.append(1)
                return g

        x, y = leaf(1.0), leaf(1.0)
        grad((Spy.apply(x) * y).sum(), y)
        assert not calls

    def test_needs_are_narrowed_and_restored(self):
        seen = []

        class Spy(Function):
            @staticmethod
            def forward(ctx, a, b):
                return a * b

            @staticmethod
            def backward(ctx, g):
                seen.append(ctx.needs_input_grad)
                return g, g

        x, y = leaf(1.0), leaf(1.0)
        z = Spy.apply(x, y)
        grad(z, y, retain_graph=True)
        z.backward()
        assert seen == [(False, True), (True, True)]

    def test_inputs_must_require_grad(self):
        with pytest.raises(GradError, match="every input must require grad"):
            grad(leaf(1.0), minidl.ones(1))


class TestSecondOrder:
    def test_all_derivatives_of_a_power(self):
        x = leaf(2.0)
        y, found = x**4, []
        for _ in range(4):
            (y,) = grad(y.sum(), x, create_graph=True)
            found.append(y.item())
        assert found == [32, 48, 48, 24]

    def test_backward_with_create_graph(self):
        x = leaf(3.0)
        (x**3).sum().backward(create_graph=True)
        first = x.grad
        x.grad = None
        first.sum().backward()
        assert x.grad.item() == 18

    def test_through_an_inner_tensor(self):
        x = leaf(0.5)
        y = x.exp()
        (g,) = grad((y * y).sum(), x, create_graph=True)
        (h,) = grad(g.sum(), x)
        np.testing.assert_allclose(h.item(), 4 * np.exp(1.0))

    def test_gradient_penalty(self):
        x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
        (g,) = grad((x * w).sigmoid().sum(), x, create_graph=True)
        minidl.norm(g).backward()
        assert w.grad is not None and np.isfinite(array(w.grad)).all()

    def test_refusal_names_the_alternative(self):
        class Fused(Function, arrays=True):
            once_differentiable = "use unfused()"

            def forward(ctx, x):
                return x * 2

            def backward(ctx, g):
                return g * 2

        with pytest.raises(GradError, match=r"FusedBackward: no graph .* use unfused\(\)"):
            Fused.apply(leaf(1.0)).backward(create_graph=True)

    def test_saving_what_is_neither_input_nor_output_is_caught(self):
        class Careless(Function, arrays=True):
            def forward(ctx, x):
                ctx.save_for_backward(x * 2)
                return x * x

            def backward(ctx, g):
                return g * ctx.saved_tensors[0]

        x = leaf(1.0)
        Careless.apply(x).backward()
        assert x.grad.item() == 2
        with pytest.raises(GradError, match="inputs or outputs"):
            Careless.apply(x).backward(create_graph=True)


class CustomReLU(Function):
    """As in PyTorch's tutorials."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[x < 0] = 0
        return grad_input


class TestUserFunctions:
    def test_custom_relu(self):
        x = leaf(-1.0, 2.0)
        (CustomReLU.apply(x) * 3).sum().backward()
        assert x.grad.tolist() == [0, 3]

    def test_custom_relu_twice(self):
        x = leaf(-1.0, 2.0)
        (g,) = grad((CustomReLU.apply(x) ** 2).sum(), x, create_graph=True)
        (h,) = grad(g.sum(), x)
        assert h.tolist() == [0, 2]

    def test_attributes_several_outputs_and_options(self):
        class Scaled(Function):
            @staticmethod
            def forward(ctx, x, factor, name=None):
                ctx.factor = factor
                return x * factor, x + 1

            @staticmethod
            def backward(ctx, a, b):
                return a * ctx.factor + b, None

        x = leaf(1.0)
        first, second = Scaled.apply(x, 5)
        (first + second * 10).backward()
        assert x.grad.item() == 15

    def test_missing_gradients_are_zeros_or_none(self):
        seen = []

        class Two(Function):
            @staticmethod
            def forward(ctx, x, zeros):
                ctx.set_materialize_grads(zeros)
                return x * 1, x * 2

            @staticmethod
            def backward(ctx, a, b):
                seen.append(b)
                return a, None

        for zeros in (True, False):
            Two.apply(leaf(1.0), zeros)[0].backward()
        assert seen[0].item() == 0 and seen[1] is None

    def test_needs_input_grad(self):
        seen = []

        class Spy(Function):
            @staticmethod
            def forward(ctx, a, b):
                seen.append(ctx.needs_input_grad)
                return a * b

            @staticmethod
            def backward(ctx, g):
                return g, None

        Spy.apply(leaf(1.0), minidl.ones(1))
        assert seen == [(True, False)]

    def test_setup_context(self):
        class Cube(Function):
            @staticmethod
            def forward(x):
                return x**3

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, g):
                return g * 3 * ctx.saved_tensors[0] ** 2

        x = leaf(2.0)
        Cube.apply(x).backward()
        assert x.grad.item() == 12

    def test_saved_outputs_make_no_cycle(self):
        class Exp(Function):
            @staticmethod
            def forward(ctx, x):
                y = x.exp()
                ctx.save_for_backward(y)
                return y

            @staticmethod
            def backward(ctx, g):
                return g * ctx.saved_tensors[0]

        gc.disable()
        try:
            y = Exp.apply(leaf(1.0))
            weak = weakref.ref(y.grad_fn)
            del y
            assert weak() is None
        finally:
            gc.enable()

    def test_non_differentiable_outputs(self):
        class WithMask(Function):
            @staticmethod
            def forward(ctx, x):
                mask = (x > 0).double()
                ctx.mark_non_differentiable(mask)
                return x * 1, mask

            @staticmethod
            def backward(ctx, g, _):
                return g

        out, mask = WithMask.apply(leaf(1.0))
        assert out.requires_grad and not mask.requires_grad

    def test_dirty_inputs(self):
        class Double(Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, g):
                return g * 2

        x = leaf(1.0)
        y = x * 3
        z = Double.apply(y)
        assert z is y and y._version > 0
        z.sum().backward()
        assert x.grad.item() == 6

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            (lambda g: (g, g), "one gradient per input, 1 of them, got count 2"),
            (lambda g: g.sum(), r"gradient 0 must have the shape of its input \(2,\), got shape \(\)"),
            (lambda g: 3.0, "gradient 0 must be a tensor or None, got type float"),
        ],
    )
    def test_wrong_gradients_are_refused(self, result, message):
        class Wrong(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return result(g)

        with pytest.raises(GradError, match=f"WrongBackward: .*{message}"):
            Wrong.apply(leaf(1.0, 2.0)).sum().backward()

    def test_an_error_in_backward_leaves_things_sane(self):
        class Fails(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                raise KeyError("mine")

        x, y = leaf(1.0), leaf(1.0)
        with pytest.raises(KeyError, match="mine"):
            (Fails.apply(x) + y * 2).sum().backward()
        assert x.grad is None and y.grad is None and minidl.is_grad_enabled()
        (y * 2).sum().backward()
        assert y.grad.item() == 2

    def test_backward_inside_backward(self):
        class Checkpointed(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x.exp()

            @staticmethod
            def backward(ctx, g):
                x = ctx.saved_tensors[0].detach().requires_grad_()
                with minidl.enable_grad():
                    y = x.exp()
                return grad(y, x, g)

        x = leaf(1.0)
        Checkpointed.apply(x).sum().backward()
        np.testing.assert_allclose(x.grad.item(), np.e)

    def test_arrays_compute_without_a_graph(self):
        out = minidl.ops.mul(np.ones(2), np.ones(2))
        assert type(out) is np.ndarray

    def test_node_as_seen_from_outside(self):
        x = leaf(1.0)
        y = x * 2 + 1
        assert y.grad_fn.name() == "AddBackward" and repr(y.grad_fn) == "<AddBackward>"
        ((inner, which), (other, _)) = y.grad_fn.next_functions
        assert inner.name() == "MulBackward" and which == 0 and other is None


class TestHooks:
    def test_hook_on_a_leaf_sees_the_whole_gradient(self):
        x, seen = leaf(1.0), []
        x.register_hook(lambda g: seen.append(g.item()))
        (x * 2 + x * 3).backward()
        assert seen == [5]

    def test_hook_on_an_inner_tensor_replaces(self):
        x = leaf(1.0)
        y = x * 2
        handle = y.register_hook(lambda g: g * 10)
        y.sum().backward(retain_graph=True)
        handle.remove()
        y.sum().backward()
        assert x.grad.item() == 22

    def test_what_a_hook_keeps_is_its_own(self):
        x, kept = leaf(1.0), []
        x.register_hook(kept.append)
        (x * 2).sum().backward()
        x.grad.zero_()
        assert kept[0].item() == 2

    def test_retain_grad(self):
        x = leaf(1.0)
        y = x * 2
        y.retain_grad()
        (y * 3).sum().backward()
        assert y.retains_grad and y.grad.item() == 3 and x.grad.item() == 6

    def test_retain_grad_of_two_outputs_of_one_node(self):
        first, second = leaf(1.0, 2.0).chunk(2)
        first.retain_grad()
        second.retain_grad()
        (first * 3 + second * 5).sum().backward()
        assert first.grad.item() == 3 and second.grad.item() == 5

    def test_post_accumulate(self):
        x, seen = leaf(1.0), []
        x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
        (x * 2).sum().backward()
        assert seen == [2]

    def test_hooks_of_grad(self):
        x = leaf(1.0)
        x.register_hook(lambda g: g * 2)
        assert grad(x * 3, x)[0].item() == 6

    def test_hook_under_create_graph(self):
        x = leaf(2.0)
        y = x * x
        y.register_hook(lambda g: g * 2)
        (g,) = grad((y * 1).sum(), x, create_graph=True)
        assert g.item() == 8 and grad(g.sum(), x)[0].item() == 4

    def test_needs_a_graph(self):
        with pytest.raises(GradError, match="register_hook: the tensor must require grad"):
            minidl.ones(1).register_hook(print)

    def test_a_hook_that_returns_something_else(self):
        x = leaf(1.0)
        x.register_hook(lambda g: 3)
        with pytest.raises(GradError, match="register_hook: a hook must return a tensor or None, got type int"):
            (x * 2).backward()

    def test_hooks_keep_nothing_alive(self):
        y = leaf(1.0) * 2
        handle = y.register_hook(lambda g: None)
        weak = weakref.ref(y.grad_fn)
        del y
        gc.collect()
        assert weak() is None
        handle.remove()


class TestVersions:
    def test_counts_every_view(self):
        x = minidl.zeros(4)
        x[1:].add_(1)
        x.zero_()
        assert x._version == x[2:]._version == 2

    def test_a_changed_input_is_caught(self):
        x = leaf(1.0)
        y = x * 2
        z = y * y
        y.add_(1)
        with pytest.raises(GradError, match=r"MulBackward: a tensor it needs was changed in place .* shape \(1,\), version 1"):
            z.sum().backward()

    def test_a_change_through_a_view_is_caught(self):
        y = leaf(1.0, 2.0) * 1
        z = y.exp()
        z[0] = 5
        with pytest.raises(GradError, match="ExpBackward"):
            z.sum().backward()

    def test_a_change_of_what_was_not_saved_is_fine(self):
        x = leaf(1.0)
        y = x + 1
        z = y * 3
        y.add_(1)
        z.sum().backward()
        assert x.grad.item() == 3

    def test_parameters_changed_before_backward(self):
        w = leaf(1.0)
        y = w * w
        with minidl.no_grad():
            w.sub_(0.1)
        with pytest.raises(GradError, match="changed in place"):
            y.backward()

    def test_changes_of_other_memory_do_not_matter(self):
        x = leaf(1.0)
        y = x * x
        minidl.zeros(3).add_(1)
        y.backward()
        assert x.grad.item() == 2


class TestInPlace:
    def test_leaves_are_protected(self):
        x = leaf(1.0)
        with pytest.raises(GradError, match="mul_: a leaf that requires grad cannot be changed in place"):
            x.mul_(2)
        with pytest.raises(GradError, match="a view of a leaf that requires grad"):
            x[:1].mul_(2)
        with pytest.raises(GradError, match="setitem: a leaf"):
            x[0] = 1

    def test_history_moves_on(self):
        x = leaf(3.0)
        y = x * 2
        y.mul_(y).add_(1)
        y.sum().backward()
        assert y.item() == 37 and x.grad.item() == 24

    def test_functions_that_need_their_input(self):
        x = leaf(0.5)
        y = x * 1
        y.sin_().exp_()
        y.sum().backward()
        np.testing.assert_allclose(x.grad.item(), np.exp(np.sin(0.5)) * np.cos(0.5))

    def test_setitem(self):
        x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
        y = x * 2
        y[1] = v[0] * 3
        (y * minidl.tensor([1.0, 10.0, 100.0], dtype=minidl.float64)).sum().backward()
        assert x.grad.tolist() == [2, 0, 200] and v.grad.tolist() == [30]

    def test_setitem_into_a_constant(self):
        v = leaf(1.0, 2.0)
        out = minidl.zeros(3, 2, dtype=minidl.float64)
        for i in range(3):
            out[i] = v * i
        out.sum().backward()
        assert v.grad.tolist() == [3, 3]

    def test_a_change_through_a_view_reaches_the_base(self):
        x = leaf(1.0, 2.0)
        y = x * 1
        y[0].mul_(5)
        y.sum().backward()
        assert y.tolist() == [5, 2] and x.grad.tolist() == [5, 1]

    def test_a_change_of_the_base_reaches_views(self):
        x = leaf(1.0, 2.0)
        y = x * 1
        view = y.reshape(2, 1).T
        y.mul_(3)
        view.sum().backward()
        assert view.tolist() == [[3, 6]] and x.grad.tolist() == [3, 3]

    def test_a_change_of_a_view_reaches_other_views(self):
        x = leaf(1.0, 2.0, 3.0)
        y = x * 1
        first, last = y[:2], y[1:]
        first.mul_(10)
        last.sum().backward()
        assert last.tolist() == [20, 3] and x.grad.tolist() == [0, 10, 1]

    def test_augmented_assignment_of_a_slice(self):
        x = minidl.rand(3, 4, dtype=minidl.float64, requires_grad=True)
        y = x * 1
        y[:, 1::2] += x[:, ::2] * 2
        y.sum().backward()
        np.testing.assert_array_equal(array(x.grad), np.tile([3, 1, 3, 1], (3, 1)))

    def test_copy_into_a_view_of_a_constant(self):
        out, v = minidl.zeros(2, 2), minidl.ones(2, requires_grad=True)
        out[0].copy_(v)
        out.sum().backward()
        assert v.grad.tolist() == [1, 1]

    def test_views_of_a_constant_follow_when_it_gets_a_history(self):
        """The views were made before anything was recorded."""
        v = leaf(1.0, 2.0)
        out = minidl.ones(3, dtype=minidl.float64)
        first, last, nested = out[:2], out[1:], out.view(3, 1)[1]
        first.mul_(v)
        assert last.requires_grad and nested.requires_grad
        (last.sum() + 10 * nested.sum()).backward()
        assert v.grad.tolist() == [0, 11]

    def test_two_views_of_a_constant_write_one_after_the_other(self):
        v = leaf(1.0, 2.0, 3.0, 4.0)
        out = minidl.zeros(4, dtype=minidl.float64)
        matrix = out.view(2, 2)
        row = matrix[0]
        row.copy_(v[:2])
        matrix[1] = v[2:]
        (out * out).sum().backward()
        assert v.grad.tolist() == [2, 4, 6, 8]

    def test_views_of_another_dtype_have_no_history(self):
        x, out = leaf(1.0), minidl.ones(1, dtype=minidl.float64)
        bits, parts = out.view(minidl.int64), out.view(minidl.int32)
        out.mul_(x)
        assert out.requires_grad and not bits.requires_grad and not parts.requires_grad

    def test_many_views_are_forgotten_one_by_one(self):
        x = minidl.arange(20_000.0)
        rows = list(x)
        assert len(x._views) == len(rows)
        while rows:
            rows.pop()
        assert not x._views

    def test_a_view_made_without_history(self):
        x = leaf(1.0, 2.0)
        y = x * 2
        with minidl.no_grad():
            view = y[:1]
            view.add_(1)
        with pytest.raises(GradError, match="add_: a view that was made under no_grad"):
            view.add_(1)
        assert y.tolist() == [3, 4]

    def test_change_of_a_diagonal(self):
        x = minidl.ones(2, 3, dtype=minidl.float64, requires_grad=True)
        y = x * 1
        y.diagonal(1).mul_(5)
        y.sum().backward()
        assert x.grad.tolist() == [[1, 5, 1], [1, 1, 5]] == y.tolist()

    def test_copy_of_a_constant_cuts_the_gradient(self):
        x = leaf(1.0, 2.0)
        y = x * 2
        y.copy_(minidl.tensor([5]))
        y.sum().backward()
        assert y.tolist() == [5, 5] and x.grad.tolist() == [0, 0]

    def test_fill_cuts_the_gradient(self):
        x = leaf(1.0, 2.0)
        y = x * 2
        y.zero_()
        y.sum().backward()
        assert x.grad.tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (lambda: minidl.tensor([1]).add_(0.5), minidl.DTypeError, "add_: the result cannot be stored in the dtype"),
            (lambda: minidl.ones(2).add_(minidl.ones(3, 2)), minidl.ShapeError, "add_: "),
            (lambda: minidl.ones(2).expand(3, 2).add_(1), minidl.ArgumentError, "add_: the array is read-only or repeats elements"),
        ],
    )
    def test_what_is_refused(self, change, error, message):
        with pytest.raises(error, match=message):
            change()

    def test_random_programs_against_out_of_place(self, rng):
        """The same random chain of changes through views, in place and by rebuilding the whole."""
        for _ in range(30):
            start = rng.standard_normal((4, 4))
            x, z = minidl.tensor(start, requires_grad=True), minidl.tensor(start, requires_grad=True)
            y, whole = x * 1, z * 1
            views = [y, y.T, y[1:], y[:, ::2], y.reshape(2, 8)]
            places = minidl.arange(16).reshape(4, 4)
            spots = [places, places.T, places[1:], places[:, ::2], places.reshape(2, 8)]
            for _ in range(5):
                which, factor = int(rng.integers(5)), float(rng.uniform(0.5, 2))
                views[which].mul_(factor)
                mask = minidl.zeros(16)
                mask[spots[which].reshape(-1)] = 1
                whole = minidl.where((mask > 0).reshape(4, 4), whole * factor, whole)
            which = int(rng.integers(5))
            (views[which] ** 2).sum().backward()
            (whole.reshape(-1)[spots[which].reshape(-1)] ** 2).sum().backward()
            np.testing.assert_allclose(array(x.grad), array(z.grad))


class TestModes:
    def test_no_grad(self):
        x = leaf(1.0)
        with minidl.no_grad():
            assert not (x * 2).requires_grad
            with minidl.enable_grad():
                assert (x * 2).requires_grad
        assert (x * 2).requires_grad

    def test_restored_after_an_error(self):
        with pytest.raises(KeyError), minidl.no_grad():
            raise KeyError
        assert minidl.is_grad_enabled()

    @pytest.mark.parametrize(
        "switch", [lambda: minidl.no_grad, minidl.no_grad, minidl.inference_mode, lambda: minidl.set_grad_enabled(False)]
    )
    def test_as_decorator(self, switch):

        @switch()
        def function(x):
            """Doc."""
            return x * 2

        assert not function(leaf(1.0)).requires_grad and function.__doc__ == "Doc."
        assert minidl.is_grad_enabled()

    def test_set_grad_enabled(self):
        minidl.set_grad_enabled(False)
        assert not minidl.is_grad_enabled()
        minidl.set_grad_enabled(True)
        with minidl.set_grad_enabled(False):
            assert not minidl.is_grad_enabled()
        assert minidl.is_grad_enabled()

    def test_inference_mode(self):
        with minidl.inference_mode():
            assert minidl.is_inference_mode_enabled() and not minidl.is_grad_enabled()
        with minidl.inference_mode(False):
            assert minidl.is_grad_enabled()

    def test_modes_belong_to_threads(self):
        seen = []
        with minidl.no_grad():
            thread = threading.Thread(target=lambda: seen.append(minidl.is_grad_enabled()))
            thread.start()
            thread.join()
        assert seen == [True]


class TestAnomaly:
    def test_forward(self):
        x = leaf(-1.0)
        with detect_anomaly(), pytest.raises(GradError, match="Log: forward produced NaN"):
            (x.log() * 0).exp()

    def test_backward(self):
        x = leaf(0.0)
        with detect_anomaly(), pytest.raises(GradError, match="SqrtBackward: backward produced NaN in the gradient of input 0"):
            (x.sqrt() * 0.0).sum().backward()

    def test_off_by_default(self):
        assert np.isnan(leaf(-1.0).log().item())


class TestSize:
    @pytest.mark.parametrize("make", [lambda y, x: y + x, lambda y, x: y.neg(), lambda y, x: y * 1.0], ids=["add", "neg", "mul"])
    def test_hundred_thousand_nodes(self, make):
        x = minidl.ones(1, requires_grad=True)
        y = x
        for _ in range(100_000):
            y = make(y, x)
        y.backward()
        assert x.grad.numel() == 1
        del y
        y = x
        for _ in range(100_000):
            y = make(y, x)
        del y  # freeing a graph that was never walked must not recurse either

    def test_a_walk_frees_activations_as_it_goes(self):
        x = minidl.ones(1000, requires_grad=True)
        y = x.exp()
        weak = weakref.ref(y._array)
        z = (y * 2).sum()
        del y
        assert weak() is not None
        z.backward()
        assert weak() is None

    def test_the_graph_goes_with_its_end(self):
        x = minidl.ones(2, requires_grad=True)
        y = (x * 2).exp()
        weak = weakref.ref(y.grad_fn)
        gc.disable()
        try:
            del y
            assert weak() is None
        finally:
            gc.enable()


def test_threads_do_not_disturb_each_other():
    results = {}

    def work(number):
        for _ in range(20):
            x = leaf(float(number))
            y = x
            for _ in range(50):
                y = y * 1.01 + x
            y.sum().backward()
        results[number] = x.grad.item() / (y.item() / number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(list(results.values()), 1)


class TestGradcheck:
    def test_finds_a_wrong_gradient(self):
        class Wrong(Function, arrays=True):
            def forward(ctx, x):
                return x * 2

            def backward(ctx, g):
                return g * 3

        with pytest.raises(GradError, match="must agree with differences"):
            minidl.autograd.gradcheck(Wrong.apply, leaf(1.0, 2.0))
        assert not minidl.autograd.gradcheck(Wrong.apply, leaf(1.0), raise_exception=False)

    def test_slow_mode_checks_every_entry(self):
        assert minidl.autograd.gradcheck(lambda a, b: (a * b).cumsum(0), (leaf(1.0, 2.0), leaf(3.0, 4.0)), fast_mode=False)

    def test_wants_float64(self):
        with pytest.raises(minidl.DTypeError, match="inputs that require grad must be float64"):
            minidl.autograd.gradcheck(minidl.exp, minidl.ones(1, requires_grad=True))
