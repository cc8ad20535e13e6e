"""The form of a song: its sections, and which targets sound in each. All ours."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bsrnn.config import TARGETS
from bsrnn.data.synthetic.score import Section

PASSAGE_SECONDS = 6.0  # passages without a target last this long at least: finetuning looks at 3 s chunks


class Kind(NamedTuple):
    """Of sections."""

    chances: tuple[float, float, float, float]  # that vocals, drums, bass and other sound
    weight: float = 0.0  # how often it stands between verses and choruses, among all contrasts; 0: it is none
    level_db: float = 0.0


KINDS = {
    "intro": Kind((0, 0.5, 0.5, 1), level_db=-2.0),
    "verse": Kind((1, 0.93, 0.92, 0.92), level_db=-1.5),
    "chorus": Kind((1, 1, 1, 1), level_db=1.0),
    "break": Kind((0.6, 0, 0.4, 1), 0.24, -2.5),
    "instrumental": Kind((0, 1, 1, 1), 0.22),
    "beat": Kind((0.6, 1, 0.6, 0), 0.18),
    "a cappella": Kind((1, 0, 0, 0), 0.1),
    "duet": Kind((1, 0.2, 0, 1), 0.1, -2.5),
    "drum solo": Kind((0, 1, 0, 0), 0.04),
    "bass solo": Kind((0, 0, 1, 0), 0.04),
    "without bass": Kind((1, 0.6, 0, 1), 0.08),
}
CONTRASTS = {name: kind.weight for name, kind in KINDS.items() if kind.weight}
# What song number i has for certain
FEATURES = ("a cappella", "instrumental", "", "drum solo", "plain", "bass solo", "")


def draw_form(bars: int, bar_seconds: float, feature: str, rng: np.random.Generator) -> list[Section]:
    """Sections that fill ``bars``: verses and choruses, and between them contrasts.

    ``feature``: a contrast that the song is to have if it is long enough, "plain" for none at all, "" for what comes.
    """
    names, weights = list(CONTRASTS), np.array(list(CONTRASTS.values()))
    passage_bars = int(np.ceil(PASSAGE_SECONDS / bar_seconds))
    plain, slot = feature == "plain", int(rng.integers(1, 3))
    sections: list[Section] = []
    bar, previous = 0, ""
    while bar < bars:
        if feature in CONTRASTS and len(sections) == slot:
            name = feature
        elif bar == 0 and not plain and rng.random() < 0.4:
            name = "intro"
        elif plain or previous in CONTRASTS or rng.random() < 0.6:
            name = "chorus" if previous == "verse" else "verse"
        else:
            name = str(rng.choice(names, p=weights / weights.sum()))
        full = name in ("verse", "chorus")
        length = min(max(passage_bars, 4 if full and bar_seconds < 2.6 else 2), bars - bar)
        chances = (1, 1, 1, 1) if plain else KINDS[name].chances
        sounds = tuple(t for t, chance in zip(TARGETS, chances, strict=True) if rng.random() < chance)
        sections.append(Section(name, bar, length, sounds))
        bar, previous = bar + length, name
    silent = [t for t in TARGETS if not any(t in s.sounds for s in sections)]
    if silent:  # no stem of a song may be silent throughout: its score would be undefined
        at = next((i for i, s in enumerate(sections) if s.name in ("verse", "chorus")), len(sections) - 1)
        sections[at] = replace(sections[at], sounds=(*sections[at].sounds, *silent))
    return sections
