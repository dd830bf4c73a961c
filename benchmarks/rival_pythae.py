"""The rival of `cvae_pythae.py`, run by a Python that has PyTorch and pythae: a VAE of the same widths, its Trainer.

    python rival_pythae.py IMAGES.npz EPOCHS SEED FOLDER

IMAGES holds `fit` and `validation`, uint8 (n, 28, 28). Prints one line of JSON: seconds, images per second, negative
ELBO of the validation images in nats.
"""

from __future__ import annotations

import json
import logging
import sys
import time

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

WIDTH, LATENT, BATCH, RATE = 512, 16, 128, 1e-3


def dense(*sizes: int) -> nn.Sequential:
    """Returns dense layers of these sizes, each followed by SiLU."""
    layers = [part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*layers)


class Encoder(BaseEncoder):
    """784, 512, 512, 256, then mean and log-variance."""

    def __init__(self) -> None:
        """Builds it."""
        super().__init__()
        self.body = dense(784, WIDTH, WIDTH, WIDTH // 2)
        self.mean, self.log_variance = nn.Linear(WIDTH // 2, LATENT), nn.Linear(WIDTH // 2, LATENT)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Returns what pythae asks of an encoder."""
        features = self.body(x.reshape(len(x), -1))
        return ModelOutput(embedding=self.mean(features), log_covariance=self.log_variance(features))


class Decoder(BaseDecoder):
    """16, 512, 512, 784."""

    def __init__(self) -> None:
        """Builds it."""
        super().__init__()
        self.body = nn.Sequential(dense(LATENT, WIDTH, WIDTH), nn.Linear(WIDTH, 784), nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Returns what pythae asks of a decoder."""
        return ModelOutput(reconstruction=self.body(z).reshape(len(z), 1, 28, 28))


def main() -> None:
    """Trains, measures, prints."""
    path, epochs, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    logging.disable(logging.WARNING)
    torch.manual_seed(seed)
    with np.load(path) as stored:
        fit, validation = (torch.tensor(stored[name][:, None] / 255, dtype=torch.float32) for name in stored.files)
    settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    model = VAE(settings, encoder=Encoder(), decoder=Decoder())
    start = time.perf_counter()
    config = BaseTrainerConfig(
        output_dir=folder, learning_rate=RATE, per_device_train_batch_size=BATCH, num_epochs=epochs, seed=seed,
        no_cuda=True,
    )  # fmt: skip
    trainer = BaseTrainer(model, train_dataset=BaseDataset(fit, torch.ones(len(fit))), training_config=config)
    trainer.train()
    seconds = time.perf_counter() - start
    model.eval()
    with torch.no_grad():
        encoded = model.encoder(validation)
        mean, log_variance = encoded.embedding, encoded.log_covariance
        noise = torch.tensor(np.random.default_rng(0).standard_normal(mean.shape), dtype=torch.float32)
        images = model.decoder(mean + torch.exp(log_variance / 2) * noise).reconstruction
        nll = nn.functional.binary_cross_entropy(images, validation, reduction="none").sum(dim=(1, 2, 3))
        kl = 0.5 * (torch.exp(log_variance) + mean**2 - 1 - log_variance).sum(dim=1)
    print(json.dumps([seconds, epochs * len(fit) / seconds, float((nll + kl).mean())]))


if __name__ == "__main__":
    main()
