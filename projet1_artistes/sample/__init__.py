"""The synthetic twin of "Best Artworks of All Time": twelve invented painters, drawn by program, in its layout.

A painter is a palette, a scene, brushes and the finest marks. `brushwork` and `scenes` are the canvas and its textures;
`landscapes`, `indoors` and `abstracts` the things painted; `painting` makes a work of them, `files` the whole set.
"""

from projet1_artistes.sample.files import NEAR_DUPLICATES, ODDITIES, draw
from projet1_artistes.sample.painters import PAINTERS, folder_names
from projet1_artistes.sample.painting import paint, work

__all__ = ["NEAR_DUPLICATES", "ODDITIES", "PAINTERS", "draw", "folder_names", "paint", "work"]
