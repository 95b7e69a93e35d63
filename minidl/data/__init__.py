"""Datasets, samplers, collating and the loader that puts them together. Also known as `minidl.utils.data`."""

from .augment import RandomAffine, random_affine
from .cifar import CIFAR10_CLASSES, load_cifar10, read_cifar10
from .collate import default_collate
from .dataset import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split, stratified_split
from .digits import load_digits
from .idx import load_mnist, read_idx
from .loader import DataLoader
from .resample import resize_images
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .seeds import batch_generator
from .streams import StreamWindows

__all__ = [
    "CIFAR10_CLASSES",
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomAffine",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StreamWindows",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "batch_generator",
    "default_collate",
    "load_cifar10",
    "load_digits",
    "load_mnist",
    "random_affine",
    "random_split",
    "read_cifar10",
    "read_idx",
    "resize_images",
    "stratified_split",
]
