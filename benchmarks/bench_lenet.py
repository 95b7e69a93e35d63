"""LeNet-5 and an MLP: training steps, and inference on one image."""

import minidl

from .asv_base import THREADS, TrainingBenchmark
from .common import labels, lenet, mlp, normal, same_weights, training_step


class TrainingStep(TrainingBenchmark):
    """Batch of 64."""

    params = (["lenet sgd", "lenet adam", "mlp sgd"], THREADS)

    def make(self, case):
        net, optimizer = case.split()
        model = same_weights(minidl, {"lenet": lenet, "mlp": mlp}[net](minidl))
        images = normal(64, 1, 28, 28) if net == "lenet" else normal(64, 784)
        if optimizer == "adam":
            update = minidl.optim.Adam(model.parameters(), lr=1e-5)
        else:
            update = minidl.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
        return training_step(minidl, model, update, minidl.from_numpy(images), minidl.from_numpy(labels(64, 10)))


class Inference:
    """One image without a tape."""

    params = (THREADS,)
    param_names = ("threads",)

    def setup(self, threads):
        minidl.set_num_threads(threads)
        self.model = same_weights(minidl, lenet(minidl)).eval()
        self.image = minidl.from_numpy(normal(1, 1, 28, 28))

    def time_batch_1(self, threads):
        with minidl.no_grad():
            self.model(self.image)
