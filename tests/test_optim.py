"""Optimisers against the papers' rules in float64, their saving, the schedules, and clipping."""

import copy
import math

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.errors import ArgumentError, DTypeError, GradError
from minidl.optim import lr_scheduler

SHAPES = [(3, 4), (), (5,), (0, 2)]


def sgd(theta, grads, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    """Sutskever et al. 2013, in the form that keeps the velocity free of the learning rate."""
    velocity = None
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * theta
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        theta = theta - lr * g
    return theta


def adam(
    theta, grads, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, maximize=False, decoupled=False
):
    """Kingma and Ba 2015, algorithm 1; Reddi et al. 2018, algorithm 2; Loshchilov and Hutter 2019, algorithm 2."""
    m = v = largest = np.zeros_like(theta)
    for t, grad in enumerate(grads, 1):
        g = -grad if maximize else grad
        if decoupled:
            theta = theta - lr * weight_decay * theta
        else:
            g = g + weight_decay * theta
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        second = (largest if amsgrad else v) / (1 - betas[1] ** t)
        theta = theta - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(second) + eps)
    return theta


CASES = [
    (optim.SGD, sgd, {"lr": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.2}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.2, "maximize": True}),
    (optim.Adam, adam, {"lr": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.3}),
    (optim.Adam, adam, {"lr": 0.1, "amsgrad": True, "maximize": True}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.0, 0.9)}),
    (optim.AdamW, lambda *a, **k: adam(*a, **k, decoupled=True), {"lr": 0.1, "weight_decay": 0.3}),
    (optim.AdamW, lambda *a, **k: adam(*a, **k, decoupled=True), {"lr": 0.1, "weight_decay": 0.01, "amsgrad": True}),
]


def run(make, starts, grads, dtype):
    params = [nn.Parameter(minidl.from_numpy(start.astype(dtype))) for start in starts]
    optimizer = make(params)
    for step in grads:
        for param, grad in zip(params, step, strict=True):
            param.grad = minidl.from_numpy(grad.astype(dtype))
        optimizer.step()
    return [param.detach().numpy() for param in params]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize(("optimizer", "rule", "options"), CASES)
def test_updates_follow_the_papers(optimizer, rule, options, dtype, tolerance):
    random = np.random.default_rng(1)
    starts = [random.normal(size=shape) for shape in SHAPES]
    grads = [[random.normal(size=shape) for shape in SHAPES] for _ in range(6)]
    results = run(lambda params: optimizer(params, **options), starts, grads, dtype)
    if "weight_decay" not in options and optimizer is optim.AdamW:
        options = {**options, "weight_decay": 0.01}
    for i, result in enumerate(results):
        expected = rule(starts[i], [step[i] for step in grads], **options)
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, momentum=0.9), lambda p: optim.Adam(p, 0.1)])
def test_strides_dtypes_and_late_gradients_do_not_matter(make):
    start = np.arange(6.0).reshape(2, 3)
    grads = [np.sin(start + i) for i in range(4)]
    plain = nn.Parameter(minidl.from_numpy(start.copy()))
    strided = nn.Parameter(minidl.from_numpy(start.T.copy()).T)
    single = nn.Parameter(minidl.from_numpy(start.astype("float32")))
    late = nn.Parameter(minidl.from_numpy(start.copy()))
    optimizer = make([plain, strided, single, late])
    for i, grad in enumerate([grads[0], *grads]):
        plain.grad = None if i == 0 else minidl.from_numpy(grad)
        strided.grad = None if i == 0 else minidl.from_numpy(np.asfortranarray(grad))
        single.grad = None if i == 0 else minidl.from_numpy(grad.astype("float32"))
        late.grad = minidl.from_numpy(np.zeros((2, 3))) if i == 0 else None
        optimizer.step()
    expected = plain.detach().numpy()
    assert (expected != start).all()
    np.testing.assert_array_equal(strided.detach().numpy(), expected)
    np.testing.assert_allclose(single.detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_parameters_without_gradient_are_left_alone():
    used, unused = nn.Parameter(minidl.ones(2)), nn.Parameter(minidl.ones(2))
    optimizer = optim.Adam([used, unused])
    used.grad = minidl.ones(2)
    optimizer.step()
    assert unused.tolist() == [1, 1]
    assert unused not in optimizer.state
    optimizer.zero_grad(set_to_none=False)
    assert used.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert used.grad is None


def test_a_step_counts_as_a_change_in_place():
    layer = nn.Linear(2, 1)
    optimizer = optim.SGD(layer.parameters(), 0.1)
    loss = layer(minidl.ones(1, 2, requires_grad=True)).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(GradError, match="in place"):
        loss.backward()


def test_a_closure_runs_with_gradients_on():
    weight = nn.Parameter(minidl.tensor([3.0]))
    optimizer = optim.SGD([weight], 0.1)

    def closure():
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    with minidl.no_grad():
        assert optimizer.step(closure).item() == 9
    assert weight.item() == pytest.approx(2.4)


def test_groups_have_their_own_options():
    a, b = nn.Parameter(minidl.ones(1)), nn.Parameter(minidl.ones(1))
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.1)
    c = nn.Parameter(minidl.ones(1))
    optimizer.add_param_group({"params": [("c", c)], "lr": 1.0})
    for param in (a, b, c):
        param.grad = minidl.ones(1)
    optimizer.step()
    assert [param.item() for param in (a, b, c)] == pytest.approx([0.9, 0.5, 0.0])
    assert optimizer.param_groups[2]["param_names"] == ["c"]
    assert "lr: 0.5" in repr(optimizer)


W = nn.Parameter(minidl.ones(1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.SGD([W], lr=-1), ArgumentError, r"SGD: lr must be a number >= 0, got -1"),
        (lambda: optim.SGD([W], lr=math.nan), ArgumentError, "SGD: lr"),
        (lambda: optim.SGD([W], lr="fast"), ArgumentError, "SGD: lr"),
        (lambda: optim.SGD([W], momentum=-0.1), ArgumentError, "SGD: momentum"),
        (lambda: optim.SGD([W], weight_decay=-0.1), ArgumentError, "SGD: weight_decay"),
        (lambda: optim.SGD([W], nesterov=True), ArgumentError, "nesterov needs momentum > 0 and dampening 0"),
        (lambda: optim.SGD([W], 0.1, 0.9, 0.1, nesterov=True), ArgumentError, "got momentum 0.9, dampening 0.1"),
        (lambda: optim.SGD([W], differentiable=True), NotImplementedError, "differentiable"),
        (lambda: optim.Adam([W], betas=(1.0, 0.9)), ArgumentError, r"Adam: betas must be two numbers in \[0, 1\)"),
        (lambda: optim.Adam([W], eps=-1), ArgumentError, "Adam: eps"),
        (lambda: optim.AdamW([W], weight_decay=-1), ArgumentError, "AdamW: weight_decay"),
        (lambda: optim.SGD([]), ArgumentError, "params must not be empty"),
        (lambda: optim.SGD(W), DTypeError, "got one tensor"),
        (lambda: optim.SGD([1.0]), DTypeError, "parameters must be tensors, got float"),
        (lambda: optim.SGD([W * 2]), ArgumentError, "leaf tensors"),
        (lambda: optim.SGD([minidl.tensor([1])]), DTypeError, "must be float32 or float64, got minidl.int64"),
        (
            lambda: optim.SGD([minidl.ones(1).expand(2).requires_grad_()]),
            ArgumentError,
            r"parameters must not be read-only, got one of shape \(2,\)",
        ),
        (lambda: optim.SGD([W, W]), ArgumentError, "in one group, once"),
        (lambda: optim.SGD([{"params": W}, {"params": W}]), ArgumentError, "in one group, once"),
        (lambda: optim.SGD([{"params": W, "lr": -1}]), ArgumentError, "SGD: lr"),
    ],
)
def test_bad_options_are_refused_at_construction(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_gradient_of_another_shape_is_refused():
    weight = nn.Parameter(minidl.ones(3))
    weight.grad = minidl.ones(3, 1)
    with pytest.raises(ArgumentError, match="grad must have the shape of its parameter"):
        optim.SGD([weight], 0.1).step()


# ---- saving ------------------------------------------------------------------------------------------------------


def trained(optimizer_class, steps=3, **options):
    random = np.random.default_rng(0)
    layer = nn.Linear(3, 2)
    layer.load_state_dict({"weight": np.ones((2, 3)), "bias": np.zeros(2)})
    optimizer = optimizer_class(layer.parameters(), lr=0.1, **options)
    for _ in range(steps):
        for param in layer.parameters():
            param.grad = minidl.from_numpy(random.normal(size=param.shape).astype("float32"))
        optimizer.step()
    return layer, optimizer


@pytest.mark.parametrize(
    ("optimizer_class", "options"),
    [(optim.SGD, {"momentum": 0.9}), (optim.SGD, {}), (optim.Adam, {"amsgrad": True}), (optim.AdamW, {})],
)
def test_saved_state_continues_the_run(optimizer_class, options):
    layer, optimizer = trained(optimizer_class, **options)
    other, fresh = trained(optimizer_class, steps=0, **options)
    other.load_state_dict(layer.state_dict())
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, its in ((layer, optimizer), (other, fresh)):
        for param in each.parameters():
            param.grad = minidl.ones(*param.shape)
        its.step()
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_state_dict_has_pytorchs_form():
    _, optimizer = trained(optim.Adam)
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert list(state["state"]) == [0, 1]
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][0]["step"].item() == 3
    assert state["param_groups"][0]["params"] == [0, 1]


def test_a_state_that_does_not_fit_changes_nothing():
    _, optimizer = trained(optim.Adam)
    good = copy.deepcopy(optimizer.state_dict())
    for damage, message in [
        (lambda s: s["param_groups"][0]["params"].pop(), r"parameters per group must be \[2\], got \[1\]"),
        (lambda s: s["param_groups"][0].update(lr=-1), "lr must be"),
        (lambda s: s["state"][0].update(exp_avg=minidl.zeros(7)), "exp_avg must have its parameter's shape"),
        (lambda s: s["state"].update({9: {}}), "got number 9"),
        (lambda s: s.pop("param_groups"), "got None"),
    ]:
        bad = copy.deepcopy(good)
        damage(bad)
        with pytest.raises(ArgumentError, match=message):
            optimizer.load_state_dict(bad)
        assert repr(optimizer.state_dict()) == repr(good)


# ---- schedules ---------------------------------------------------------------------------------------------------


def rates(make, steps, lr=1.0):
    optimizer = optim.SGD([nn.Parameter(minidl.ones(1))], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda o: lr_scheduler.StepLR(o, 3, 0.5), lambda t: 0.5 ** (t // 3)),
        (lambda o: lr_scheduler.MultiStepLR(o, [2, 5], 0.1), lambda t: 0.1 ** ((t >= 2) + (t >= 5))),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda t: 0.9**t),
        (lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 1 / (1 + t)),
        (lambda o: lr_scheduler.ConstantLR(o, 0.5, 4), lambda t: 0.5 if t < 4 else 1),
        (lambda o: lr_scheduler.LinearLR(o, 0.2, 0.8, 4), lambda t: 0.2 + 0.6 * min(t, 4) / 4),
        (lambda o: lr_scheduler.PolynomialLR(o, 5, 2.0), lambda t: (1 - min(t, 5) / 5) ** 2),
        (
            lambda o: lr_scheduler.CosineAnnealingLR(o, 4, 0.1),
            lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * t / 4)) / 2,
        ),
    ],
)
def test_schedules_follow_their_formulas(make, rule):
    np.testing.assert_allclose(rates(make, 12), [rule(t) for t in range(12)], rtol=1e-12, atol=1e-12)


def test_one_cycle_rises_and_falls_and_moves_the_momentum():
    optimizer = optim.SGD([nn.Parameter(minidl.ones(1))], lr=1, momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=2.0, total_steps=10)
    group, seen = optimizer.param_groups[0], []
    for _ in range(10):
        seen.append((group["lr"], group["momentum"]))
        scheduler.step()
    found = [rate for rate, _ in seen]
    assert found[0] == pytest.approx(2 / 25)
    assert max(found) == found[2] == pytest.approx(2)
    assert found[-1] == pytest.approx(2 / 25 / 1e4)
    assert seen[2][1] == pytest.approx(0.85)
    assert seen[-1][1] == pytest.approx(0.95)
    with pytest.raises(ArgumentError, match="total_steps are 10"):
        scheduler.step()


def test_plateau_waits_then_reduces():
    optimizer = optim.SGD([nn.Parameter(minidl.ones(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    seen = []
    for value in [0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]:
        scheduler.step(value)
        seen.append(scheduler.get_last_lr()[0])
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_schedules_refuse_nonsense_and_save_their_state():
    optimizer = optim.SGD([nn.Parameter(minidl.ones(1))], lr=1.0)
    for call in (
        lambda: lr_scheduler.StepLR(optimizer, 0),
        lambda: lr_scheduler.ConstantLR(optimizer, 2.0),
        lambda: lr_scheduler.LinearLR(optimizer, 0.0),
        lambda: lr_scheduler.OneCycleLR(optimizer, 1.0),
        lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 0),
        lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3).step(-1),
        lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, 0),
        lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, mode="square"),
        lambda: lr_scheduler.CyclicLR(optimizer, [0.1, 0.1, 0.1], 1.0),
        lambda: lr_scheduler.ReduceLROnPlateau(optimizer, factor=1.0),
        lambda: lr_scheduler.ReduceLROnPlateau(optimizer, mode="best"),
        lambda: lr_scheduler.LambdaLR(optimizer, [abs, abs]),
        lambda: lr_scheduler.SequentialLR(optimizer, [], [1]),
    ):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(DTypeError, match="must be an Optimizer, got int"):
        lr_scheduler.StepLR(3, 1)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    scheduler.step()
    other = lr_scheduler.StepLR(optimizer, 2)
    other.load_state_dict(scheduler.state_dict())
    assert other.last_epoch == 1


# ---- clipping and vectors ----------------------------------------------------------------------------------------


def test_clipping_by_norm_scales_all_gradients():
    params = [nn.Parameter(minidl.zeros(2)), nn.Parameter(minidl.zeros(1)), nn.Parameter(minidl.zeros(1))]
    params[0].grad, params[1].grad = minidl.tensor([2.0, 3.0]), minidl.tensor([6.0])
    assert nn.utils.clip_grad_norm_(params, 3.5).item() == pytest.approx(7)
    np.testing.assert_allclose(params[0].grad.numpy(), [1, 1.5], rtol=1e-6)
    assert nn.utils.clip_grad_norm_(params, 100.0, norm_type=math.inf).item() == pytest.approx(3)
    assert nn.utils.clip_grad_norm_(params, 100.0, norm_type=1).item() == pytest.approx(5.5)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    params[0].grad = minidl.tensor([math.nan, 1.0])
    with pytest.raises(GradError, match="must be finite, got nan"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)


def test_clipping_by_value():
    weight = nn.Parameter(minidl.zeros(3))
    weight.grad = minidl.tensor([-2.0, 0.25, 9.0])
    nn.utils.clip_grad_value_(weight, 0.5)
    assert weight.grad.tolist() == [-0.5, 0.25, 0.5]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: nn.utils.clip_grad_norm_(None, 1.0), "clip_grad_norm_: a tensor or an iterable of tensors is needed, got given NoneType"),
    (lambda: nn.utils.clip_grad_norm_([1.0], 1.0), "clip_grad_norm_: a tensor or an iterable of tensors"),
    (lambda: nn.utils.clip_grad_norm_([], "a"), "clip_grad_norm_: max_norm must be a number, not negative, got max_norm 'a'"),
    (lambda: nn.utils.clip_grad_norm_([], -1), "clip_grad_norm_: max_norm must be a number, not negative, got max_norm -1"),
    (lambda: nn.utils.clip_grad_norm_([], 1.0, norm_type=None), "clip_grad_norm_: norm_type must be a number"),
    (lambda: nn.utils.clip_grad_value_([], None), "clip_grad_value_: clip_value must be a number, not negative, got clip_value None"),
])  # fmt: skip
def test_clipping_refuses_what_is_no_number(call, message):
    with pytest.raises((minidl.DTypeError, minidl.ArgumentError), match=message):
        call()


def test_parameters_as_a_vector_and_back():
    layer = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.requires_grad
    nn.utils.vector_to_parameters(vector * 2, layer.parameters())
    np.testing.assert_array_equal(nn.utils.parameters_to_vector(layer.parameters()).tolist(), (vector * 2).tolist())
    with pytest.raises(ValueError, match="got vec"):
        nn.utils.vector_to_parameters(minidl.zeros(7), layer.parameters())


@pytest.mark.parametrize("rate", [np.float32(0.5), np.float64(0.5), [np.float32(0.5)], np.array([0.5])])
@pytest.mark.parametrize("make", [lambda o, r: lr_scheduler.CyclicLR(o, 0.1, r, 3), lambda o, r: lr_scheduler.OneCycleLR(o, r, 10)])
def test_peak_rates_may_be_numbers_of_any_type(make, rate):
    def rates(given):
        scheduler = make(optim.SGD([nn.Parameter(minidl.ones(1))], lr=0.1, momentum=0.9), given)
        return scheduler.get_last_lr() + [scheduler.step() or scheduler.get_last_lr()[0] for _ in range(5)]

    assert rates(rate) == rates(0.5)


@pytest.mark.parametrize("options", [{"step_size_up": "3"}, {"step_size_down": "3"}, {"base_lr": "low"}, {"max_lr": ["high"]}])
def test_cyclic_rates_and_steps_are_numbers(options):
    optimizer = optim.SGD([nn.Parameter(minidl.ones(1))], lr=0.1, momentum=0.9)
    with pytest.raises(DTypeError, match="CyclicLR"):
        lr_scheduler.CyclicLR(optimizer, **{"base_lr": 0.1, "max_lr": 1.0, **options})


def test_one_cycle_wants_one_peak_per_group():
    optimizer = optim.SGD([nn.Parameter(minidl.ones(1))], lr=0.1, momentum=0.9)
    with pytest.raises(ArgumentError, match="per group"):
        lr_scheduler.OneCycleLR(optimizer, [0.1, 0.2], 10)
