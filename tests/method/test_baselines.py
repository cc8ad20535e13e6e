"""Estimators that need no network."""

import numpy as np
import pytest

from bsrnn import baselines
from bsrnn.audio import files as audio
from bsrnn.config import ModelConfig
from bsrnn.data import songs


@pytest.mark.parametrize("samples", [1, 1024, 1025, 5000])
def test_a_song_may_be_shorter_than_the_window(tmp_path, samples):
    """Up to half a window of 2048 samples there is nothing to reflect at its edges."""
    stems = 0.1 * np.random.default_rng(0).standard_normal((2, 2, samples)).astype(np.float32)
    for name, stem in zip(("vocals", "other"), stems, strict=True):
        audio.write(tmp_path / "s" / f"{name}.wav", stem, 44100)
    [song] = songs.read_songs(tmp_path)
    gains = baselines.wiener_gains([song], "vocals")
    assert gains.shape == (1025, 1) and 0 <= gains.min() <= gains.max() <= 1
    found = baselines.estimates(song, "vocals", gains, ModelConfig())
    assert {estimate.shape for estimate in found.values()} == {(2, samples)}
    error = {method: float(np.square(estimate - stems[0]).mean()) for method, estimate in found.items()}
    assert error["ratio_mask"] < error["mixture"] and error["wiener_oracle"] < error["mixture"]
