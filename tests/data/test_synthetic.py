"""The embedded data set: nothing leaks, nothing clips, everything can be had again. Songs of seconds, for speed."""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from bsrnn.config import TARGETS, DataConfig
from bsrnn.data.synthetic import SPLITS, count, dataset, ensure, mixture_of, render_song, song_folder
from bsrnn.data.synthetic.composition import CONTRASTS, FEATURES, PASSAGE_SECONDS, Composer
from bsrnn.data.synthetic.soundfont import DRUM_BANK, soundfont
from bsrnn.data.synthetic.splits import FAMILIAR, NEW, SHIFTED, VALID, pool_of
from bsrnn.data.synthetic.styles import STYLES
from bsrnn.errors import ConfigError, DataError

SMALL = DataConfig(source="embedded", train_songs=2, valid_songs=1, test_songs=2, unlabelled_songs=1, song_seconds=2.0)


def compose(pool, index, seconds=30.0):
    return Composer(pool, seconds, index, np.random.default_rng([5, index])).compose()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """(root, folder) of a data set of two-second songs, every split."""
    root = tmp_path_factory.mktemp("data")
    return root, ensure(SMALL, root, SPLITS, jobs=1, progress=False)


# --- no leakage


def sources(pool):
    return {s for options in pool.sources.values() for s in options} | set(pool.basses)


def overlap(a, b):
    return a[0] <= b[1] and b[0] <= a[1]


def recordings(pool):
    """Names of all recordings in the soundfont that a pool can play."""
    font = soundfont()
    names = set().union(*(font.sample_names(0, s) for s in sources(pool) if isinstance(s, int)))
    for kit in (*pool.acoustic_kits, *pool.electronic_kits):
        for program, keys in kit.samples.values():
            names = names.union(*(font.sample_names(DRUM_BANK, program, key) for key in keys))
    return names


def test_new_timbres_share_nothing_with_the_training_pool():
    kits = [{k.name for k in (*p.acoustic_kits, *p.electronic_kits)} for p in (FAMILIAR, NEW)]
    characters = [{k.character for k in (*p.acoustic_kits, *p.electronic_kits)} for p in (FAMILIAR, NEW)]
    assert not kits[0] & kits[1] and not characters[0] & characters[1]
    assert sources(FAMILIAR) & sources(NEW) == {"string"}  # the computed string, of other damping:
    assert not overlap(FAMILIAR.string_damping, NEW.string_damping)
    assert not recordings(FAMILIAR) & recordings(NEW)
    for attribute in ("styles", "progressions", "vowels", "consonants"):
        assert not set(getattr(FAMILIAR, attribute)) & set(getattr(NEW, attribute)), attribute
    for a in FAMILIAR.voices:
        for b in NEW.voices:
            assert a.name != b.name
            assert not overlap(a.formant_scale, b.formant_scale) and not overlap(a.centre, b.centre)


def test_progressions_and_styles_are_split():
    pools = (FAMILIAR, NEW, VALID, SHIFTED)
    for i, a in enumerate(pools):
        for b in pools[i + 1 :]:
            assert not set(a.progressions) & set(b.progressions)
    assert not set(SHIFTED.styles) & (set(FAMILIAR.styles) | set(NEW.styles))
    assert set(FAMILIAR.styles) | set(NEW.styles) | set(SHIFTED.styles) == set(STYLES)
    assert VALID.sources == FAMILIAR.sources and VALID.voices == FAMILIAR.voices


def test_what_songs_draw_stays_in_their_pool():
    drawn = {}
    for name, pool in (("train", FAMILIAR), ("new", NEW)):
        scores = [compose(pool, index) for index in range(60)]
        drawn[name] = {
            "styles": {s.style for s in scores},
            "progressions": {p for s in scores for p in s.progressions},
            "kits": {s.kit.name for s in scores},
            "voices": {s.voice.name for s in scores},
            "sources": {p.source for s in scores for p in s.parts} | {s.bass_source for s in scores},
            "vowels": {y.vowel for s in scores for y in s.lead},
            "consonants": {y.consonant for s in scores for y in s.lead},
        }
    for what, train in drawn["train"].items():
        assert train & drawn["new"][what] <= {"string", ""}, what  # "": no consonant
    assert drawn["new"]["styles"] == set(NEW.styles) and drawn["train"]["styles"] == set(FAMILIAR.styles)


def test_every_role_of_a_style_has_sources_in_its_pools():
    for pool in (FAMILIAR, NEW, VALID, SHIFTED):
        for style in pool.styles:
            assert set(STYLES[style].parts) <= set(pool.sources)


def test_presets_exist_and_drums_have_recordings():
    presets = soundfont().presets
    for pool in (FAMILIAR, NEW):
        assert all((0, s) in presets for s in sources(pool) if isinstance(s, int))
        for kit in (*pool.acoustic_kits, *pool.electronic_kits):
            for program, keys in kit.samples.values():
                assert all(soundfont().sample_names(DRUM_BANK, program, key) for key in keys)


# --- form


def test_songs_have_the_passages_that_their_number_promises():
    for index in range(4 * len(FEATURES)):
        feature, score = FEATURES[index % len(FEATURES)], compose(FAMILIAR, index)
        if feature == "plain":
            assert not {s.name for s in score.sections} & set(CONTRASTS)
        elif feature:
            section = next(s for s in score.sections if s.name == feature)
            assert section.bars * score.bar_seconds >= PASSAGE_SECONDS
            assert score.section(section.bar) is section


def test_sections_tile_the_song_and_no_stem_is_silent_throughout():
    for seconds in (2.0, 4.0, 30.0):
        for index in range(40):
            score = compose(NEW if index % 2 else FAMILIAR, index, seconds)
            assert score.sections[0].bar == 0 and (score.bars - 1) * score.bar_seconds < seconds
            for a, b in zip(score.sections, score.sections[1:], strict=False):
                assert b.bar == a.bar + a.bars
            assert {t for s in score.sections for t in s.sounds} == set(TARGETS)


def test_notes_lie_in_the_sections_that_sound():
    for index in range(20):
        score = compose(FAMILIAR, index)
        starts = {
            "drums": [h.start for h in score.hits],
            "bass": [n.start for n in score.bass],
            "other": [n.start for p in score.parts for n in p.notes],
            "vocals": [s.start for s in score.lead],
        }
        for target, times in starts.items():
            for start in times:
                # 50 ms: a human is early or late, and strings are strummed
                bars = np.clip((start + np.array([-0.05, 0.05])) / score.bar_seconds, 0, score.bars - 1).astype(int)
                assert any(target in score.section(bar).sounds for bar in bars), (index, target, start)


# --- songs


def test_stems_sum_to_the_mixture_exactly_and_nothing_clips(rendered):
    _, folder = rendered
    songs = sorted(folder.glob("*/*"))
    files = {*(f"{t}.wav" for t in (*TARGETS, "mixture")), "song.json"}
    assert len(songs) == 7
    for song in songs:
        assert {p.name for p in song.iterdir()} == files
        sounds = {}
        for name in (*TARGETS, "mixture"):
            info = soundfile.info(song / f"{name}.wav")
            assert (info.samplerate, info.channels, info.subtype, info.frames) == (44100, 2, "PCM_16", 88200)
            sounds[name] = soundfile.read(song / f"{name}.wav", dtype="int16")[0].astype(int)
        assert (sounds["mixture"] == sum(sounds[name] for name in TARGETS)).all()
        peak = max(np.abs(x).max() for x in sounds.values())
        assert 0.79 * 32768 < peak < 0.99 * 32768


def test_files_hold_what_render_song_returns(rendered):
    root, _ = rendered
    stems, metadata = render_song("test", 1, seconds=2.0)
    folder = song_folder(root, SMALL, "test", 1)
    for name, sound in {**stems, "mixture": mixture_of(stems)}.items():
        assert sound.shape == (2, 88200) and sound.dtype == np.float32
        assert np.array_equal(soundfile.read(folder / f"{name}.wav", dtype="float32")[0].T, sound)
    assert json.loads((folder / "song.json").read_text()) == json.loads(json.dumps(metadata))


def test_metadata_tells_what_was_drawn():
    _, metadata = render_song("test", 3, seconds=4.0, seed=2)
    assert {k: metadata[k] for k in ("split", "index", "seed", "seconds", "timbre")} == {
        "split": "test",
        "index": 3,
        "seed": 2,
        "seconds": 4.0,
        "timbre": "new",
    }
    assert metadata["style"] in NEW.styles
    low, high = STYLES[metadata["style"]].tempo
    assert low - 0.01 <= metadata["bpm"] <= high + 0.01
    assert metadata["sections"][0]["start"] == 0 and metadata["sections"][-1]["end"] == 4.0
    assert all(set(s["sounds"]) <= set(TARGETS) for s in metadata["sections"])


def test_every_second_test_song_has_new_timbres():
    assert [render_song("test", i, seconds=0.5)[1]["timbre"] for i in range(4)] == ["seen", "new", "seen", "new"]
    assert render_song("train", 1, seconds=0.5)[1]["timbre"] == "seen"
    assert render_song("test", 0, seconds=0.5, timbre="new")[1]["style"] in NEW.styles
    for split, timbre in (("train", "new"), ("test", "old"), ("tests", "seen")):
        with pytest.raises(ConfigError, match="timbre|split"):
            pool_of(split, timbre)


def test_split_index_and_seed_each_make_another_song():
    first, *others = (
        render_song(*which, seconds=1.0, seed=seed)[0]["drums"]
        for which, seed in ((("train", 0), 0), (("train", 1), 0), (("valid", 0), 0), (("train", 0), 1))
    )
    assert not any(np.array_equal(first, other) for other in others)


# --- the folder


def test_another_process_renders_the_same_bytes(rendered, tmp_path):
    root, _ = rendered
    code = (
        "import sys; from pathlib import Path; from bsrnn.data.synthetic.dataset import _render; "
        "_render(Path(sys.argv[1]) / 'song', 'train', 1, 2.0, 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for name in ("mixture.wav", *(f"{t}.wav" for t in TARGETS), "song.json"):
        assert (tmp_path / "song" / name).read_bytes() == (song_folder(root, SMALL, "train", 1) / name).read_bytes()


def test_profiles_share_songs_but_not_other_seeds_and_lengths(tmp_path):
    folder = song_folder(tmp_path, SMALL, "train", 1)
    assert folder == song_folder(tmp_path, replace(SMALL, train_songs=99, test_songs=5), "train", 1)
    assert folder.relative_to(tmp_path).as_posix() == "embedded/v1-s0-2s/train/train-0001"
    for other in (replace(SMALL, seed=1), replace(SMALL, song_seconds=2.5)):
        assert song_folder(tmp_path, other, "train", 1) != folder


def test_counts_come_from_the_profile():
    assert [count(SMALL, split) for split in SPLITS] == [2, 1, 2, 1, 1, 0, 0]
    with pytest.raises(ConfigError, match="unknown split 'training'"):
        count(SMALL, "training")
    with pytest.raises(ConfigError, match="unknown split 'all'"):
        ensure(SMALL, "nowhere", ("all",))


def fake_song(split, index, *, seconds, seed):
    return {t: np.full((2, 10), 2.0**-15, np.float32) for t in TARGETS}, {"split": split, "index": index}


def test_only_what_is_missing_is_rendered(tmp_path, monkeypatch):
    calls = []

    def render(split, index, **how):
        calls.append((split, index))
        return fake_song(split, index, **how)

    monkeypatch.setattr(dataset, "render_song", render)
    ensure(SMALL, tmp_path, ("train", "valid"), limit=1, jobs=1, progress=False)
    assert calls == [("train", 0), ("valid", 0)]
    ensure(SMALL, tmp_path, ("train",), jobs=1, progress=False)
    assert calls[2:] == [("train", 1)]
    ensure(SMALL, tmp_path, ("train", "valid"), jobs=1, progress=False)
    assert len(calls) == 3


def test_an_interrupted_song_leaves_nothing_and_is_made_next_time(tmp_path, monkeypatch):
    def interrupted(path, sound):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "render_song", fake_song)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    folder = song_folder(tmp_path, SMALL, "valid", 0)
    assert not folder.exists() and not list(folder.parent.iterdir())
    ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert folder.is_dir()


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    def full(path, sound):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(dataset, "render_song", fake_song)
    monkeypatch.setattr(dataset, "_write", full)
    with pytest.raises(DataError, match="cannot write .*valid-0000: .*No space left"):
        ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert not list(song_folder(tmp_path, SMALL, "valid", 0).parent.iterdir())


def test_leftovers_are_swept_but_not_what_another_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "render_song", fake_song)
    parent = song_folder(tmp_path, SMALL, "valid", 0).parent
    for name, age in ((".unfinished-old", 3600), (".unfinished-young", 5)):
        (parent / name).mkdir(parents=True)
        (parent / name / "bass.wav").write_bytes(b"")
        os.utime(parent / name, (time.time() - age,) * 2)
    ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert sorted(p.name for p in parent.iterdir()) == [".unfinished-young", "valid-0000"]


def test_the_slower_of_two_processes_keeps_the_song_of_the_faster(tmp_path, monkeypatch):
    folder = song_folder(tmp_path, SMALL, "valid", 0)

    def beaten(split, index, **how):
        folder.mkdir(parents=True)
        (folder / "song.json").write_text("faster")
        return fake_song(split, index, **how)

    monkeypatch.setattr(dataset, "render_song", beaten)
    ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert (folder / "song.json").read_text() == "faster"
    assert [p.name for p in folder.parent.iterdir()] == ["valid-0000"]


@pytest.mark.timeout(600)
def test_two_processes_at_once_make_one_whole_set(rendered, tmp_path):
    root, _ = rendered
    script = tmp_path / "render.py"
    script.write_text("""
import sys
from pathlib import Path
from bsrnn.config import DataConfig
from bsrnn.data.synthetic import ensure
if __name__ == "__main__":  # the workers import this file
    config = DataConfig(train_songs=2, song_seconds=2.0)
    ensure(config, Path(sys.argv[1]), ("train",), jobs=int(sys.argv[2]), progress=False)
""")
    running = [subprocess.Popen([sys.executable, str(script), str(tmp_path), jobs]) for jobs in ("1", "2")]
    assert [p.wait() for p in running] == [0, 0]
    songs = song_folder(tmp_path, SMALL, "train", 0).parent
    assert sorted(p.name for p in songs.iterdir()) == ["train-0000", "train-0001"]
    for path in songs.rglob("*.wav"):
        other = song_folder(root, SMALL, "train", 0).parent / path.relative_to(songs)
        assert path.read_bytes() == other.read_bytes()
