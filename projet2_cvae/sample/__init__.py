"""The synthetic twin of Fashion-MNIST: garments drawn from a seed, in the official layout, for the same loader."""

from projet2_cvae.sample.tops import VERSION, draw, draw_images

__all__ = ["VERSION", "draw", "draw_images"]
