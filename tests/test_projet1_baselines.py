"""What is known without a network."""

import numpy as np
from test_projet1_training import works

from projet1_artistes import baselines


def test_a_histogram_counts_colours(monkeypatch):
    monkeypatch.setattr(baselines, "LEVELS", 2)
    monkeypatch.setattr(baselines, "SIDE", 8)
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1, :4] = 255
    found = baselines.colour_histograms(images)
    np.testing.assert_allclose(found[0], np.eye(8)[0], atol=1e-6)
    np.testing.assert_allclose(found[1] ** 2, 0.5 * np.eye(8)[0] + 0.5 * np.eye(8)[7], atol=1e-6)


def test_colour_alone_recognises_colours():
    images, labels = works(60)
    probabilities = baselines.colour_baseline(images, labels, np.arange(40), np.arange(40, 60))
    assert probabilities.shape == (20, 3)
    assert (probabilities.argmax(axis=1) == labels[40:]).mean() > 0.9
