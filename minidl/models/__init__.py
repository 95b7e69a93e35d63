"""Well-known networks, each short enough for a slide. Parameters have torchvision's names where it has the network."""

from .alexnet import AlexNet, alexnet
from .audio import AudioCNN
from .autoencoder import ConvAutoencoder
from .blocks import ConvNormActivation, SqueezeExcitation, StochasticDepth
from .efficientnet import EfficientNet, efficientnet_b0
from .lenet import LeNet5
from .mobilenet import MobileNetV2, mobilenet_v2
from .resnet import ResNet, resnet18, resnet34, resnet50
from .resnet_cifar import ResNetCIFAR, resnet20
from .unet import UNet
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .video import VideoCNN

__all__ = [
    "VGG",
    "AlexNet",
    "AudioCNN",
    "ConvAutoencoder",
    "ConvNormActivation",
    "EfficientNet",
    "LeNet5",
    "MobileNetV2",
    "ResNet",
    "ResNetCIFAR",
    "SqueezeExcitation",
    "StochasticDepth",
    "UNet",
    "VideoCNN",
    "alexnet",
    "efficientnet_b0",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
