"""The embedded data set: seeded four-stem songs made by a program, for training and testing without a download.

Labelled, unlabelled, validation and test songs are drawn alike from one wide pool of timbres; they share no song, no
progression and no seed. Songs of timbres that no training song has are a split of their own, "test-new". So are songs
of amateurs recorded without a producer, "train-amateurs", which a training may have besides (``data.amateur_songs``).

``ranges`` names every drawn parameter with its range and where that is from, ``timbres`` what sounds and what is held
back, ``grooves``, ``harmony`` and ``form`` what is played. ``composing`` (with ``melody`` and ``parts``) writes a
``score``; ``drums``, ``tones`` and ``singing`` play it with ``soundfont``, ``synths``, ``machines`` and ``singer``;
``desk`` mixes with ``effects``, ``rendering`` masters, and ``dataset`` puts songs on disk. (This is version 2 of the
generator; version 1 had one narrow world for training and another for half of the test songs.)
"""

from bsrnn.data.synthetic.dataset import count, data_folder, ensure, song_folder
from bsrnn.data.synthetic.harmony import SPLITS
from bsrnn.data.synthetic.rendering import GENERATOR_VERSION, mixture_of, render_song
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE, soundfont_hash

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
