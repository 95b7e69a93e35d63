"""First things: LeNet-5 and an MLP in training and inference, the tape alone, plain matrix products."""

from .. import cost
from ..common import labels, leaf, lenet, mlp, normal, same_weights, training_step
from ..registry import Row, add, row


@row("lenet sgd, step of 64", "foundation", 4.0, cost.lenet(64))
def lenet_sgd(xp):
    model = same_weights(xp, lenet(xp))
    optimizer = xp.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    return training_step(xp, model, optimizer, xp.from_numpy(normal(64, 1, 28, 28)), xp.from_numpy(labels(64, 10)))


@row("lenet adam, step of 64", "foundation", 4.0, cost.lenet(64))
def lenet_adam(xp):
    model = same_weights(xp, lenet(xp))
    optimizer = xp.optim.Adam(model.parameters(), lr=1e-5)
    return training_step(xp, model, optimizer, xp.from_numpy(normal(64, 1, 28, 28)), xp.from_numpy(labels(64, 10)))


@row("mlp sgd, step of 64", "foundation", 2.0, cost.mlp(64))
def mlp_sgd(xp):
    model = same_weights(xp, mlp(xp))
    optimizer = xp.optim.SGD(model.parameters(), lr=1e-4)
    return training_step(xp, model, optimizer, xp.from_numpy(normal(64, 784)), xp.from_numpy(labels(64, 10)))


@row("chain of 100 multiplications", "foundation", 1.5)
def chain(xp):
    x, factor, grad = leaf(xp, normal(8)), leaf(xp, 1 + normal(8, scale=1e-3)), xp.from_numpy(normal(8))

    def step():
        x.grad = factor.grad = None
        y = x
        for _ in range(100):
            y = y * factor
        y.backward(grad)
        return x.grad, factor.grad

    return step


def square_matmul(n: int):
    """Build function of the product of two n x n matrices."""

    def build(xp):
        a, b = xp.from_numpy(normal(n, n)), xp.from_numpy(normal(n, n).T.copy())

        def step():
            with xp.no_grad():
                return xp.matmul(a, b)

        return step

    return build


for size, least in ((256, 0.95), (1024, 1.0)):
    add(Row(f"matmul {size}", "foundation", square_matmul(size), least, cost.matmul(size, size, size)))


@row("lenet inference, batch 1", "foundation", 2.0, cost.lenet(1, backward=False))
def lenet_inference(xp):
    model = same_weights(xp, lenet(xp)).eval()
    x = xp.from_numpy(normal(1, 1, 28, 28))

    def step():
        with xp.no_grad():
            return model(x)

    return step
