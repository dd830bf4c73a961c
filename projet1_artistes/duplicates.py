"""Near-duplicates: works that show the same picture, or nearly, by a perceptual hash and the correlation of details."""

from __future__ import annotations

import mmap

import numpy as np
from scipy import fft, ndimage, sparse

# Near-duplicates: hashes that differ by so many bits of 63 at most, and details that are correlated so much at least.
# Seen on the real works: those of one artist that are the same work are above .5, works of two artists below .4.
NEAR_BITS, NEAR_CORRELATION = 14, 0.5
CHUNK = 64  # works in memory at once
COMPARED = 4_000_000  # pairs of works compared at once


def near_duplicates(images: np.ndarray) -> np.ndarray:
    """Returns the pairs of images that show the same work, or nearly: close hashes and correlated details.

    Args:
        images: uint8, shape (n, side, side, 3), side a multiple of 32.

    Returns:
        int64, shape (m, 2), each pair once, smaller index first.
    """
    pairs = close_pairs(perceptual_hash(images), distance=NEAR_BITS)
    correlation = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), CHUNK):
        first, second = (details(_read(images, rows)) for rows in pairs[start : start + CHUNK].T)
        correlation[start : start + CHUNK] = np.einsum("ij,ij->i", first, second)
    return pairs[correlation >= NEAR_CORRELATION]


def connected(pairs: np.ndarray, count: int) -> np.ndarray:
    """Returns the group of each of `count` items, int64 of shape (count,): items that pairs (m, 2) link share one."""
    links = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return sparse.csgraph.connected_components(links, directed=False)[1].astype(np.int64)


def likeness(images: np.ndarray) -> float:
    """Returns the correlation of the two images, among uint8 (n, side, side, 3), whose details are most alike."""
    fine = details(images)
    return float((fine @ fine.T)[np.triu_indices(len(fine), 1)].max())


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """Returns a perceptual hash of each image: which of its lowest frequencies are above their median.

    The grey image, averaged down to 32 x 32, goes through a discrete cosine transform; of the 8 x 8 lowest frequencies
    all but the mean count (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).

    Args:
        images: uint8, shape (n, side, side, 3), side a multiple of 32.

    Returns:
        bool, shape (n, 63).
    """
    count, side = images.shape[:2]
    if side % 32:
        raise ValueError(f"the side of the images must be a multiple of 32, not {side}")
    hashes = np.empty((count, 63), bool)
    for start in range(0, count, CHUNK):
        small = _grey(_read(images, slice(start, start + CHUNK)), 32)
        low = fft.dctn(small, axes=(1, 2))[:, :8, :8].reshape(len(small), 64)[:, 1:]
        hashes[start : start + CHUNK] = low > np.median(low, axis=1, keepdims=True)
    return hashes


def details(images: np.ndarray) -> np.ndarray:
    """Returns what grey thumbnails of 32 x 32 hold beside their large masses: their products are correlations.

    The masses are a local mean over 7 x 7; without them, two dark portraits no longer look the same.

    Args:
        images: uint8, shape (n, side, side, 3), side a multiple of 32.

    Returns:
        float32, shape (n, 1024), each row of mean 0 and norm 1.
    """
    small = _grey(images, 32)
    fine = (small - ndimage.uniform_filter(small, (1, 7, 7))).reshape(len(small), -1)
    fine -= fine.mean(axis=1, keepdims=True)
    return fine / np.maximum(np.linalg.norm(fine, axis=1, keepdims=True), 1e-6)


def close_pairs(hashes: np.ndarray, *, distance: int) -> np.ndarray:
    """Returns the pairs of rows of `hashes`, bool of shape (n, bits), that differ by `distance` bits at most.

    The result is int64, shape (m, 2), each pair once, smaller index first.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    blocks = [np.empty((0, 2), np.int64)]
    step = max(1, COMPARED // max(1, len(signs)))
    for start in range(0, len(signs), step):
        agreement = signs[start : start + step] @ signs.T  # bits - 2 x distance
        first, second = np.nonzero(agreement >= hashes.shape[1] - 2 * distance)
        blocks.append(np.stack([first + start, second], axis=1)[first + start < second])
    return np.concatenate(blocks)


def _read(images: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
    """Copies rows of an array; those of a file through a map of their own, whose pages leave the memory with it."""
    if isinstance(images, np.memmap) and isinstance(images.base, mmap.mmap):
        images = np.memmap(images.filename, images.dtype, "r", images.offset, images.shape)
    return np.array(images[rows])


def _grey(images: np.ndarray, side: int) -> np.ndarray:
    """Averages uint8 images down to grey squares of this side, which must divide theirs: float32 (n, side, side)."""
    grey = images.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    cell = grey.shape[1] // side
    return grey.reshape(len(grey), side, cell, side, cell).mean(axis=(2, 4))
