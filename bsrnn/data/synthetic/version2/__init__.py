"""Generator version 2 of the embedded songs: one wide world.

Version 1 trains on a narrow world and tests half of its songs on another; what its models lack is variety, not
training. Here labelled, unlabelled, validation and test songs are drawn alike from one wide pool of timbres; they share
no song, no progression and no seed. Songs of timbres that no training song has are a split of their own, "test-new".

``ranges`` names every widened parameter with its range and where that is from, ``timbres`` what sounds and what is held
back, ``grooves`` and ``harmony`` what is played. ``composing`` (with ``melody`` and ``parts``) writes a ``score``,
``drums``, ``tones`` and ``singing`` play it with ``synths`` and ``machines``, ``desk`` mixes, ``rendering`` masters.
"""
