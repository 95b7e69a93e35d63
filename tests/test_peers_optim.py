"""Optimisers and schedules against PyTorch, all combinations of options, and their state dicts in both directions."""

import copy
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minidl  # noqa: E402

SHAPES = [(4, 3), (5,)]


def grid(**axes):
    """Return one dict per combination of the axes' values."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


SGD = [
    options
    for options in grid(
        lr=[0.1],
        momentum=[0, 0.9],
        dampening=[0, 0.3],
        weight_decay=[0, 0.1],
        nesterov=[False, True],
        maximize=[False, True],
    )
    if not options["nesterov"] or (options["momentum"] and not options["dampening"])
]
ADAM = grid(
    lr=[0.1],
    betas=[(0.9, 0.999), (0.0, 0.5)],
    eps=[1e-8, 1e-2],
    weight_decay=[0, 0.1],
    amsgrad=[False, True],
    maximize=[False, True],
)
CASES = [("SGD", o) for o in SGD] + [(name, o) for name in ("Adam", "AdamW") for o in ADAM]


def make(library, name, options):
    random = np.random.default_rng(0)
    params = [library.nn.Parameter(library.tensor(random.normal(size=shape))) for shape in SHAPES]
    return params, getattr(library.optim, name)(params, **options)


def advance(library, params, optimizer, steps, seed):
    random = np.random.default_rng(seed)
    for _ in range(steps):
        for param, shape in zip(params, SHAPES, strict=True):
            param.grad = library.tensor(random.normal(size=shape))
        optimizer.step()


def values(params):
    return np.concatenate([param.detach().numpy().ravel() for param in params])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_updates_agree(name, options):
    results = []
    for library in (minidl, torch):
        params, optimizer = make(library, name, options)
        advance(library, params, optimizer, 5, 1)
        results.append(values(params))
    np.testing.assert_allclose(*results, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1, "amsgrad": True}), ("AdamW", {"lr": 0.1})],
)
def test_states_cross_over(name, options):
    ours, optimizer = make(minidl, name, options)
    theirs, other = make(torch, name, options)
    advance(minidl, ours, optimizer, 3, 1)
    advance(torch, theirs, other, 3, 1)
    assert set(optimizer.state_dict()["param_groups"][0]) == set(other.state_dict()["param_groups"][0])
    assert set(optimizer.state_dict()["state"][0]) == set(other.state_dict()["state"][0])

    back, resumed = make(minidl, name, options)
    for param, array in zip(back, ours, strict=True):
        param.data = array.data.clone()
    resumed.load_state_dict(copy.deepcopy(other.state_dict()))
    as_torch = copy.deepcopy(optimizer.state_dict())
    for state in as_torch["state"].values():
        for key, value in state.items():
            state[key] = torch.tensor(value.numpy())
    other.load_state_dict(as_torch)
    advance(minidl, back, resumed, 3, 2)
    advance(torch, theirs, other, 3, 2)
    advance(minidl, ours, optimizer, 3, 2)
    np.testing.assert_allclose(values(back), values(ours), rtol=1e-10)
    np.testing.assert_allclose(values(theirs), values(ours), rtol=1e-10)


SCHEDULES = [
    lambda s, o: s.StepLR(o, 3, 0.5),
    lambda s, o: s.MultiStepLR(o, [2, 2, 7], 0.5),
    lambda s, o: s.ConstantLR(o, 0.5, 4),
    lambda s, o: s.LinearLR(o, 0.25, 0.75, 6),
    lambda s, o: s.ExponentialLR(o, 0.8),
    lambda s, o: s.PolynomialLR(o, 6, 1.5),
    lambda s, o: s.LambdaLR(o, lambda t: 0.9**t),
    lambda s, o: s.CosineAnnealingLR(o, 5, 0.01),
    lambda s, o: s.OneCycleLR(o, 0.5, total_steps=21),
    lambda s, o: s.OneCycleLR(o, 0.5, epochs=3, steps_per_epoch=7, three_phase=True, anneal_strategy="linear"),
    lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 4), s.CosineAnnealingLR(o, 8)], [4]),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    lambda s, o: s.CyclicLR(o, 0.1, 0.5, 3, 4),
    lambda s, o: s.CyclicLR(o, [0.1, 0.2], [0.5, 1.0], 4, mode="triangular2", base_momentum=0.5, max_momentum=0.8),
    lambda s, o: s.CyclicLR(o, 0.1, 0.5, 2, mode="exp_range", gamma=0.9, cycle_momentum=False),
    lambda s, o: s.CyclicLR(o, 0.1, 0.5, 2, scale_fn=lambda t: 1 / (1 + t), scale_mode="iterations"),
    lambda s, o: s.SequentialLR(o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9), s.StepLR(o, 2)], [3, 9]),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_agree(schedule, optimizer):
    seen = []
    for library in (minidl, torch):
        weights = [library.nn.Parameter(library.zeros(1)) for _ in range(2)]
        groups = [{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.03}]
        options = {"momentum": 0.9} if optimizer == "SGD" else {}
        it = getattr(library.optim, optimizer)(groups, lr=0.2, **options)
        scheduler = schedule(library.optim.lr_scheduler, it)
        rows = []
        for _ in range(18):
            rows.append([group["lr"] for group in it.param_groups] + list(scheduler.get_last_lr()))
            rows[-1] += [
                group.get("momentum", group.get("betas", [0])[0] if "betas" in group else 0)
                for group in it.param_groups
            ]
            it.step()
            scheduler.step()
        seen.append(rows)
    np.testing.assert_allclose(*seen, rtol=1e-9, atol=1e-15)


def test_warm_restarts_agree_between_epochs():
    seen = []
    for library in (minidl, torch):
        optimizer = library.optim.SGD([library.nn.Parameter(library.zeros(1))], lr=0.3)
        scheduler = library.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, 2, 0.01)
        rows = []
        for epoch in np.arange(0, 25, 0.25).tolist():
            scheduler.step(epoch)
            rows.append([scheduler.get_last_lr()[0], scheduler.last_epoch])
        seen.append(rows)
    np.testing.assert_allclose(*seen, rtol=1e-9)


@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateaus_agree(mode, threshold_mode):
    random = np.random.default_rng(3)
    measured = np.cumsum(random.normal(size=60)) * (0.1 if mode == "max" else -0.1) + 2
    seen = []
    for library in (minidl, torch):
        optimizer = library.optim.SGD([library.nn.Parameter(library.zeros(1))], lr=1.0)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            mode,
            factor=0.7,
            patience=2,
            threshold=0.05,
            threshold_mode=threshold_mode,
            cooldown=1,
            min_lr=0.05,
        )
        rows = []
        for value in measured:
            scheduler.step(value)
            rows.append(optimizer.param_groups[0]["lr"])
        seen.append(rows)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 3
