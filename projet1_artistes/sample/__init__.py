"""The synthetic twin of "Best Artworks of All Time": twelve invented painters, drawn by program, in its layout."""

from projet1_artistes.sample.painting import (
    NEAR_DUPLICATES,
    ODDITIES,
    PAINTERS,
    VERSION,
    _jpeg,
    _small,
    draw,
    folder_names,
    paint,
    work,
)

__all__ = ["NEAR_DUPLICATES", "ODDITIES", "PAINTERS", "VERSION", "_jpeg", "_small", "draw", "folder_names", "paint", "work"]
