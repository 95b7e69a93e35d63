"""A newcomer's tour of minidl: read it from top to bottom, it runs."""

import numpy as np
import pytest

import minidl
from minidl.autograd import Function, grad, gradcheck


def test_a_tensor_is_an_array():
    x = minidl.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert x.shape == (2, 3) and x.dtype is minidl.float32
    assert (x * 2 + 1).tolist() == [[3, 5, 7], [9, 11, 13]]
    assert x[:, 1].tolist() == [2, 5] and x.T.shape == (3, 2)
    assert x.sum().item() == 21 and x.mean(0).tolist() == [2.5, 3.5, 4.5]
    assert x.argmax(1).tolist() == [2, 2]
    assert (x @ x.T).tolist() == [[14, 32], [32, 77]]


def test_numpy_sees_the_same_memory():
    a = np.zeros(3)
    x = minidl.from_numpy(a)
    x[0] = 7  # a view, not a copy
    assert a[0] == 7 and x.numpy().sum() == 7


def test_shapes_broadcast_and_errors_say_what_is_wrong():
    assert (minidl.ones(2, 1) + minidl.ones(3)).shape == (2, 3)
    with pytest.raises(minidl.ShapeError, match=r"add: shapes must broadcast, got input \(2,\), other \(3,\)"):
        minidl.ones(2) + minidl.ones(3)


def test_gradients():
    x = minidl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (x**2).sum()  # every step is recorded ...
    assert repr(y) == "tensor(14., grad_fn=<SumBackward>)"
    y.backward()  # ... and walked back
    assert x.grad.tolist() == [2, 4, 6]  # d(x * x)/dx = 2 x


def test_gradients_of_gradients():
    x = minidl.tensor(2.0, requires_grad=True)
    (slope,) = grad(x**3, x, create_graph=True)
    (curvature,) = grad(slope, x)
    assert slope.item() == 12 and curvature.item() == 12  # 3 x ** 2 and 6 x


class Softplus(Function):
    """Your own operation: log(1 + exp(x)), forward and backward side by side."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (1 + x.exp()).log()

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * x.sigmoid()


def test_your_own_function():
    x = minidl.randn(5, dtype=minidl.float64, requires_grad=True)
    assert gradcheck(Softplus.apply, x)


def test_no_graph_where_none_is_wanted():
    w = minidl.ones(2, requires_grad=True)
    with minidl.no_grad():
        w -= 0.5  # a parameter update by hand
    assert w.tolist() == [0.5, 0.5] and w.grad_fn is None


def test_a_line_through_points():
    """Gradient descent by hand: find slope and offset from noisy points."""
    minidl.manual_seed(0)
    x = minidl.linspace(-1, 1, 50)
    y = 3 * x - 2 + 0.01 * minidl.randn(50)
    slope, offset = minidl.zeros(1, requires_grad=True), minidl.zeros(1, requires_grad=True)
    for _ in range(200):
        loss = ((slope * x + offset - y) ** 2).mean()
        loss.backward()
        with minidl.no_grad():
            for parameter in (slope, offset):
                parameter -= 0.3 * parameter.grad
                parameter.grad = None
    assert abs(slope.item() - 3) < 0.02 and abs(offset.item() + 2) < 0.02


def test_the_same_with_modules():
    """A small network learns exclusive or, which no straight line separates."""
    minidl.manual_seed(1)
    x = minidl.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = minidl.tensor([0, 1, 1, 0])
    model = minidl.nn.Sequential(minidl.nn.Linear(2, 16), minidl.nn.ReLU(), minidl.nn.Linear(16, 2))
    optimizer = minidl.optim.Adam(model.parameters(), lr=0.05)
    loss_function = minidl.nn.CrossEntropyLoss()
    for _ in range(200):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert model(x).argmax(1).tolist() == y.tolist()
