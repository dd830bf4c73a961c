"""The synthetic twin of Fashion-MNIST: garments drawn from a seed, in the official layout, for the same loader.

As in the real set (H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747), each picture is 28 x 28, light on black, framed
on its garment, and some classes overlap: a shirt without visible buttons is hard to tell from a pullover, a high
sneaker from an ankle boot. `canvas` and `cloth` are what garments are drawn on and made of; `tops`, `trousers`, `bags`
and `shoes` draw them; `garments` makes a picture of a label, `files` the whole set.
"""

from projet2_cvae.sample.files import draw
from projet2_cvae.sample.garments import draw_images

__all__ = ["draw", "draw_images"]
