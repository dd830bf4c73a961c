"""AdamW whose learning rate is lower for the early layers of a pre-trained network.

Early layers see edges and colours, which serve any picture; the last ones see what ImageNet asked for (Howard & Ruder,
"Universal language model fine-tuning", ACL 2018, "discriminative fine-tuning").
"""

from __future__ import annotations

from typing import Any

from commun.training import keras  # it chooses the default backend of Keras
from projet1_artistes import PROJECT, networks

from keras import ops  # isort: skip


@keras.saving.register_keras_serializable(package=PROJECT)
class LayerwiseAdamW(keras.optimizers.Adam):
    """AdamW (Loshchilov & Hutter, ICLR 2019), at the rate times `layer_decay` ** depth, see `networks.depth`.

    Kernels decay by the rate of their layer times `decoupled_decay` a step; biases and normalisations don't.
    """

    def __init__(
        self, learning_rate: Any, *, layer_decay: float = 1.0, decoupled_decay: float = 0.0, **options: Any
    ) -> None:
        """Takes a rate or a schedule for the last layer, the factor of each stage before it, and the weight decay."""
        super().__init__(learning_rate, **options)
        self.layer_decay, self.decoupled_decay = layer_decay, decoupled_decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Makes one step of one variable.

        With TensorFlow, this is not the variable of Keras, which has the path.
        """
        path = self._trainable_variables[self._get_variable_index(variable)].path
        factor = self.layer_decay ** networks.depth(path)
        rate = ops.cast(learning_rate, variable.dtype) * factor
        if path.endswith("kernel"):
            self.assign_sub(variable, ops.multiply(variable, rate * self.decoupled_decay))
        super().update_step(gradient, variable, rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"layer_decay": self.layer_decay, "decoupled_decay": self.decoupled_decay}
