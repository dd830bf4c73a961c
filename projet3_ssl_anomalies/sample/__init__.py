"""The synthetic twins of five inspection categories: parts drawn from a seed, in the two official layouts.

Bottle, hazelnut, capsule and toothbrush follow MVTec AD (P. Bergmann et al., CVPR 2019), engine_wiring follows AutoVI
(P. Carvalho et al., Zenodo 10459003, 2024). No pixel comes from either, and no part bears a real maker's name.

Good parts vary as on a line. Bottles hardly do; hazelnuts roll. The place, the tilt, the light or the colours of
capsules, toothbrushes and engine_wiring vary so much that statistics of the pixels alone miss defects which the eye
finds at once: where the hoop and the clips of engine_wiring slide along the loom, the place of a missing one looks
usual, and only its bare tape betrays it.

The part, its flaw and the noise each have their own random stream, so that a defective part differs from its good twin
only where the flaw is, and its mask is what the flaw's own brush strokes cover, and those that it prevents. `canvas`,
`textures` and `lines` are what parts are painted on and with; each part has its module; `parts` makes one picture,
`files` a whole category.
"""

from projet3_ssl_anomalies.sample.canvas import SIDE
from projet3_ssl_anomalies.sample.files import DEFECTS_CONFIG, draw
from projet3_ssl_anomalies.sample.parts import CATEGORIES, DEFECTS, draw_image

__all__ = ["CATEGORIES", "DEFECTS", "DEFECTS_CONFIG", "SIDE", "draw", "draw_image"]
