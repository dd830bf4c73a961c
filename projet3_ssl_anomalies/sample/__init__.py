"""The synthetic twins of five inspection categories: parts drawn from a seed, in the two official layouts."""

from projet3_ssl_anomalies.sample.engine_wiring import (
    CATEGORIES,
    DEFECTS,
    DEFECTS_CONFIG,
    SIDE,
    VERSION,
    draw,
    draw_image,
)

__all__ = ["CATEGORIES", "DEFECTS", "DEFECTS_CONFIG", "SIDE", "VERSION", "draw", "draw_image"]
