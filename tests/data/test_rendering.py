"""The embedded songs: one wide world, and nothing shared between splits. Songs of seconds, for speed."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soundfont_names

from bsrnn.config import TARGETS, DataConfig, settings_of
from bsrnn.data import songs
from bsrnn.data.synthetic import (
    SPLITS,
    composing,
    count,
    ensure,
    mixture_of,
    ranges,
    render_song,
    rendering,
    song_folder,
)
from bsrnn.data.synthetic.composing import compose
from bsrnn.data.synthetic.form import CONTRASTS, FEATURES, PASSAGE_SECONDS
from bsrnn.data.synthetic.grooves import STYLES
from bsrnn.data.synthetic.harmony import DEGREE_WEIGHTS, SHARES, draw_progression, owner
from bsrnn.data.synthetic.parts import MANNERS
from bsrnn.data.synthetic.ranges import CHANCES, RANGES, Draws
from bsrnn.data.synthetic.score import Section
from bsrnn.data.synthetic.soundfont import soundfont
from bsrnn.data.synthetic.synths import draw_patch
from bsrnn.data.synthetic.timbres import AMATEURS, HELD_BACK, WIDE, pool_of
from bsrnn.data.training_songs import data_recipe
from bsrnn.errors import ConfigError
from bsrnn.runtime import preflight
from bsrnn.study import needs, profiles, runs, scoring

WIDE_DATA = DataConfig(
    source="embedded",
    train_songs=2,
    valid_songs=1,
    test_songs=1,
    unlabelled_songs=1,
    new_songs=1,
    amateur_songs=1,
    song_seconds=2.0,
)


def composed(split, index, seconds=30.0):
    draws = Draws(np.random.default_rng([7, SPLITS[split], index]))
    return compose(split, pool_of(split), seconds, index, draws)


@pytest.fixture(scope="module")
def scores():
    """Split -> composed songs of 30 s, most of "train"."""
    return {split: [composed(split, index) for index in range(40 if split == "train" else 10)] for split in SPLITS}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """(root, folder) of a data set of two-second songs, every split."""
    root = tmp_path_factory.mktemp("wide")
    return root, ensure(WIDE_DATA, root, SPLITS, jobs=1, progress=False)


@pytest.fixture(scope="module")
def draws_of_songs():
    """Name -> what 48 songs of two seconds drew, and 8 of amateurs: choruses, in which every stem sounds."""
    together: dict[str, list[float]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composing, "draw_form", lambda bars, *_: [Section("chorus", 0, bars, TARGETS)])
        for split, index in (*(("train", index) for index in range(48)), *(("train-amateurs", n) for n in range(8))):
            _, metadata = rendering.render_song(split, index, seconds=2.0)
            for name, values in metadata["draws"].items():
                together.setdefault(name, []).extend(values)
    for seed in range(8):  # pads of synthesisers are rare
        draw_patch("saw", "held", Draws(np.random.default_rng(seed), together))
    return together


# --- a song stays what it is

# Samples 44100, 55125, 66150 and 77175 of the left channel, of songs of 2 s
PINNED = {
    ("train", 0): {
        "vocals": [4096, -2298, 2610, 3141],
        "drums": [4490, -1350, -2502, 1317],
        "bass": [-202, 1358, 567, 492],
        "other": [4529, 5945, -3872, -259],
    },
    ("test-new", 3): {
        "vocals": [0, 0, 0, 0],
        "drums": [1131, 138, 137, 1557],
        "bass": [-496, -3933, 1468, 18],
        "other": [4818, 2408, -1442, 873],
    },
    ("train-amateurs", 4): {
        "vocals": [4283, 3169, 3210, 250],
        "drums": [-312, 31, -2538, 28],
        "bass": [642, 389, 12, -729],
        "other": [141, 6207, -1661, -629],
    },
}


@pytest.mark.parametrize("song", PINNED)
def test_a_song_is_what_it_always_was(song):
    stems, metadata = render_song(*song, seconds=2.0)
    assert metadata["generator"] == 2
    for target in TARGETS:
        heard = np.rint(stems[target][0, 44100:88200:11025] * 2**15).astype(int)
        assert np.abs(heard - PINNED[song][target]).max() <= 2, target  # processors round differently


def test_new_songs_are_no_part_of_a_training_and_the_generator_none_of_other_songs():
    run = runs.get("small", "vocals-s0")
    assert data_recipe(run.profile)["generator"] == 2
    more = replace(run, profile=replace(run.profile, data=replace(run.profile.data, new_songs=99)))
    assert more.train_key == run.train_key and more.key != run.key
    assert "generator_version" in settings_of(run.profile, "train", 0)["data"]
    assert "generator_version" not in settings_of(profiles.PAPER, "train", 0)["data"]


def test_a_training_is_scored_on_the_new_songs_apart(monkeypatch):
    run = runs.get("quick", "vocals-s0")
    monkeypatch.setattr(scoring, "_score_model", lambda run, device, split="test": split)
    without = replace(run.profile, data=replace(WIDE_DATA, new_songs=0))
    assert scoring.score(replace(run, profile=without), "cpu") == {"scores": "test"}
    wide = replace(run.profile, data=WIDE_DATA)
    assert scoring.score(replace(run, profile=wide), "cpu") == {"scores": "test", "new": "test-new"}
    assert scoring.score(replace(run, profile=wide, kind="separate"), "cpu") == {"scores": "test"}


# --- nothing is shared


def test_no_progression_is_shared_between_splits(scores):
    used = {
        split: {progression for score in some for progression in score.progressions} for split, some in scores.items()
    }
    used["train"] |= used.pop("train-amateurs")  # they train as well
    for one, other in itertools.combinations(used, 2):
        rotations = {p[at:] + p[:at] for p in used[other] for at in range(len(p))}
        assert used[one] and not used[one] & rotations, (one, other)


def test_every_progression_and_its_rotations_have_one_owner():
    owners = set()
    for progression in itertools.product(range(7), repeat=4):
        owners.add(owner(progression))
        assert owner(progression) == owner(progression[1:] + progression[:1])
    assert owners == set(SHARES) and sum(SHARES.values()) == 10 and len(DEGREE_WEIGHTS) == 7


def test_songs_of_one_number_differ_between_splits_and_seeds():
    first, *others = (
        rendering.render_song(split, 3, seconds=0.5, seed=seed)[0]["drums"]
        for split, seed in (("train", 0), ("test", 0), ("train", 1))
    )
    assert not any(np.array_equal(first, other) for other in others)


def test_other_splits_have_no_songs():
    with pytest.raises(ConfigError, match="unknown split 'test-shifted': expected one of train, valid"):
        draw_progression("test-shifted", Draws(np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="unknown split 'nope': expected one of train, valid"):
        rendering.render_song("nope", 0)


# --- what is held back


def sources(pool):
    return {s for family in pool.families.values() for s in family.sources} | set(pool.basses) | set(pool.choirs)


def recordings(pool):
    return set().union(*(soundfont_names.of_recordings(0, s) for s in sources(pool) if isinstance(s, int)))


def test_new_timbres_share_nothing_with_the_wide_world():
    assert not sources(WIDE) & sources(HELD_BACK)
    assert not recordings(WIDE) & recordings(HELD_BACK)
    machines = [{machine for kit in pool.kits for machine in kit.machines} for pool in (WIDE, HELD_BACK)]
    assert not machines[0] & machines[1] and all(kit.program is None for kit in HELD_BACK.kits)
    for a, b in itertools.product(WIDE.voices, HELD_BACK.voices):
        assert a.name != b.name
        for own, others in ((a.formant_scale, b.formant_scale), (a.centre, b.centre)):
            assert own[1] < others[0] or others[1] < own[0]


def test_only_test_new_has_what_is_held_back(scores):
    for split, some in scores.items():
        pool = {"test-new": HELD_BACK, "train-amateurs": AMATEURS}.get(split, WIDE)
        drawn = {part.source for score in some for part in score.parts} | {score.bass_source for score in some}
        assert drawn <= sources(pool)
        assert {score.kit for score in some} <= set(pool.kits) and {score.voice for score in some} <= set(pool.voices)
    train = scores["train"]
    assert {score.voice for score in train} == set(WIDE.voices)
    assert len({score.kit for score in train}) >= 8 and len({score.style_name for score in train}) >= 15


def test_amateurs_sing_over_the_wide_world_softly_and_without_a_producer():
    assert replace(AMATEURS, phonations=WIDE.phonations, choirs=WIDE.choirs, amateurs=False) == WIDE
    assert not set(AMATEURS.phonations) & {"whisper", "pressed"} and not AMATEURS.choirs
    low = {"train": [], "train-amateurs": []}
    for split, index in itertools.product(low, range(8)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(composing, "draw_form", lambda bars, *_: [Section("chorus", 0, bars, TARGETS)])
            stems, metadata = rendering.render_song(split, index, seconds=2.0)
        drawn, voice = metadata["draws"], stems["vocals"][0]
        assert ("vocal air, dB" in drawn) == (split == "train") == ("amateur's fundamental, dB" not in drawn)
        assert "drum tuning, semitones" in drawn and metadata["timbre"] == "seen"
        energy = np.abs(np.fft.rfft(voice)) ** 2
        if voice.any():
            low[split].append(energy[: 2 * 1000].sum() / energy.sum())  # below 1 kHz
    assert np.mean(low["train-amateurs"]) > 0.95 > 0.85 > np.mean(low["train"])


def test_pools_hold_together():
    for pool in (WIDE, HELD_BACK):
        assert all((0, s) in soundfont().presets for s in sources(pool) if isinstance(s, int))
        assert all(set(family.manners) <= set(MANNERS) for family in pool.families.values())
    for style in STYLES.values():
        assert set(style.line_up) <= set(WIDE.families)
        assert len(style.kick) == len(style.snare) in (12, 16) and 60 <= style.tempo[0] < style.tempo[1] <= 180


# --- what is drawn


def place(name, value):
    span = RANGES[name]
    if span.log:
        return np.log(value / span.low) / np.log(span.high / span.low)
    return (value - span.low) / (span.high - span.low)


def test_every_parameter_stays_in_its_range_and_really_varies(draws_of_songs):
    assert {name.removesuffix("?") for name in draws_of_songs} == set(RANGES) | set(CHANCES)
    for name in RANGES:
        places = [place(name, value) for value in draws_of_songs[name]]
        assert -1e-3 <= min(places) and max(places) <= 1 + 1e-3, name
        assert len(places) >= 4 and max(places) - min(places) > 0.4, (name, places)


def test_every_chance_comes_true_in_some_songs_and_not_in_others(draws_of_songs):
    for name in CHANCES:
        share = np.mean(draws_of_songs[f"{name}?"])
        assert abs(share - CHANCES[name].probability) < 0.2 and 0 < share < 1, name


def test_every_range_says_where_it_is_from():
    assert all(span.source and span.low < span.high for span in RANGES.values())
    assert all(chance.source and 0 < chance.probability < 1 for chance in CHANCES.values())
    assert "ours" in ranges.__doc__


def test_picks_follow_their_weights():
    draws = Draws(np.random.default_rng(0))
    picked = [draws.pick("abc", (1, 0, 3)) for _ in range(400)]
    assert picked.count("b") == 0 and 220 < picked.count("c") < 360


# --- form


def test_metres_tempi_and_modes_are_wide(scores):
    some = scores["train"]
    assert {score.beats for score in some} == {3, 4} and len({score.mode for score in some}) >= 4
    tempi = [score.bpm for score in some]
    assert min(tempi) < 80 and max(tempi) > 150
    for score in some:
        assert score.bar_seconds == pytest.approx(score.beats * 60 / score.bpm)


def test_songs_have_the_passages_that_their_number_promises(scores):
    for index, score in enumerate(scores["train"]):
        feature = FEATURES[index % len(FEATURES)]
        if feature == "plain":
            assert not {section.name for section in score.sections} & set(CONTRASTS)
        elif feature:
            section = next(section for section in score.sections if section.name == feature)
            assert section.bars * score.bar_seconds >= PASSAGE_SECONDS


def test_sections_tile_the_song_and_every_target_has_one():
    for seconds in (2.0, 4.0, 30.0):
        for index in range(20):
            score = composed("test-new" if index % 2 else "train", index, seconds)
            assert score.sections[0].bar == 0 and (score.bars - 1) * score.bar_seconds < seconds
            for a, b in itertools.pairwise(score.sections):
                assert b.bar == a.bar + a.bars
            assert {target for section in score.sections for target in section.sounds} == set(TARGETS)


def test_notes_lie_in_the_sections_that_sound(scores):
    for score in scores["train"][:20]:
        starts = {
            "drums": [h.start for h in score.hits],
            "bass": [n.start for n in score.bass],
            "other": [n.start for p in score.parts for n in p.notes],
            "vocals": [s.start for s in score.lead],
        }
        for target, times in starts.items():
            for start in times:
                bars = np.clip((start + np.array([-0.3, 0.3])) / score.bar_seconds, 0, score.bars - 1).astype(int)
                assert any(
                    target in section.sounds
                    for section in score.sections
                    for bar in bars
                    if section.bar <= bar < section.bar + section.bars
                ), (target, start)


def test_no_stem_of_a_song_is_silent_throughout(scores):
    for score in itertools.chain(*scores.values()):
        assert score.lead and score.hits and score.bass and any(part.notes for part in score.parts), score.style_name


def test_lines_are_of_many_manners(scores):
    parts = [part for score in scores["train"] for part in score.parts]
    assert {part.manner for part in parts} == set(MANNERS)
    assert any(syllable.turns for score in scores["train"] for syllable in score.lead)
    assert any(note.slide for score in scores["train"] for note in score.bass)


# --- songs and files


def test_stems_sum_to_the_mixture_exactly_and_nothing_clips(rendered):
    _, folder = rendered
    found = sorted(folder.glob("*/*"))
    splits = ["test", "test-new", "train", "train", "train-amateurs", "unlabelled-matched", "valid"]
    assert [song.parent.name for song in found] == splits
    for song in found:
        sounds = {}
        for name in (*TARGETS, "mixture"):
            info = soundfile.info(song / f"{name}.flac")
            assert (info.samplerate, info.channels, info.subtype, info.frames) == (44100, 2, "PCM_16", 88200)
            sounds[name] = soundfile.read(song / f"{name}.flac", dtype="int16")[0].astype(int)
        assert (sounds["mixture"] == sum(sounds[name] for name in TARGETS)).all()
        assert 0.79 * 32768 < max(np.abs(x).max() for x in sounds.values()) < 0.99 * 32768


def test_files_hold_what_render_song_returns(rendered):
    root, _ = rendered
    stems, metadata = rendering.render_song("test-new", 0, seconds=2.0)
    folder = song_folder(root, WIDE_DATA, "test-new", 0)
    for name, sound in {**stems, "mixture": mixture_of(stems)}.items():
        assert np.array_equal(soundfile.read(folder / f"{name}.flac", dtype="float32")[0].T, sound)
    assert json.loads((folder / "song.json").read_text()) == json.loads(json.dumps(metadata))
    assert metadata["timbre"] == "new" and metadata["generator"] == 2


def test_another_process_renders_the_same_bytes(rendered, tmp_path):
    root, _ = rendered
    code = (
        "import sys; from pathlib import Path; from bsrnn.data.synthetic.dataset import _render; "
        "_render(Path(sys.argv[1]) / 'song', 'train', 1, 2.0, 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for name in ("mixture.flac", *(f"{t}.flac" for t in TARGETS), "song.json"):
        other = song_folder(root, WIDE_DATA, "train", 1) / name
        assert (tmp_path / "song" / name).read_bytes() == other.read_bytes()


def test_the_reader_finds_every_split(rendered, monkeypatch):
    root, _ = rendered
    monkeypatch.setenv("BSRNN_DATA", str(root))
    for split in SPLITS:
        found = songs.load(WIDE_DATA, split, targets=TARGETS)
        more = count(WIDE_DATA, "train-amateurs") if split == "train" else 0
        assert len(found) == count(WIDE_DATA, split) + more
        assert {song.info["timbre"] for song in found} == {"new" if split == "test-new" else "seen"}
        part = found[0].read("vocals", 30000, 1000)
        assert np.array_equal(part, found[0].read("vocals")[:, 30000:31000])


def test_another_version_of_the_generator_is_refused():
    with pytest.raises(ConfigError, match="got data.generator_version 1: expected a whole number of at least 2"):
        replace(WIDE_DATA, generator_version=1)


def test_flac_asks_for_the_room_that_it_takes(tmp_path, rendered, monkeypatch):
    asked = []
    monkeypatch.setattr(preflight, "room", lambda path, needed, what: asked.append(needed))
    needs.rendering(WIDE_DATA, ["train", "valid"], tmp_path)
    assert asked == [pytest.approx(0.4 * 3 * 2.0 * 882_000)]
    written = sum(path.stat().st_size for path in rendered[1].rglob("*.flac"))
    assert written < 6 * 2.0 * 882_000 * 0.6  # short songs are seldom at rest
