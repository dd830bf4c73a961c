"""Project 2: from the VAE to the conditional VAE, on Fashion-MNIST."""

from pathlib import Path

PROJECT = "projet2_cvae"
REFERENCE = Path(__file__).parent / "reference"
