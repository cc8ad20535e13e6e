"""The embedded data set: seeded four-stem songs made by a program, for training and testing without a download.

``composition`` writes a ``score`` (with ``accompaniment`` and the patterns of ``styles``), ``performance`` plays it
with ``soundfont``, ``instruments`` and ``singer``, ``rendering`` mixes it with ``effects``, ``dataset`` puts songs on
disk, and ``splits`` keeps the sounds of "new timbre" test songs out of training. ``version2`` is generator version 2.
"""

from bsrnn.data.synthetic.dataset import count, data_folder, ensure, song_folder
from bsrnn.data.synthetic.rendering import GENERATOR_VERSION, mixture_of, render_song
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE, soundfont_hash
from bsrnn.data.synthetic.splits import SPLITS

__all__ = [
    "GENERATOR_VERSION",
    "SAMPLE_RATE",
    "SPLITS",
    "count",
    "data_folder",
    "ensure",
    "mixture_of",
    "render_song",
    "song_folder",
    "soundfont_hash",
]
