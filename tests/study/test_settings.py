"""What settings may be: each is checked where it is made, and none is altered; keys stay what they were."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Literal

import pytest

from bsrnn import config
from bsrnn.config import (
    ActivityConfig,
    DataConfig,
    FinetuneConfig,
    LossConfig,
    MixingConfig,
    ModelConfig,
    PeerConfig,
    SeparateConfig,
    Settings,
    TrainConfig,
)
from bsrnn.errors import ConfigError
from bsrnn.runtime import limits, overrides
from bsrnn.study import profiles, runs
from bsrnn.study.profiles import Profile

GOLDEN = json.loads(Path(__file__).with_name("golden_keys.json").read_text(encoding="utf-8"))
HUGE = 10**400  # no float holds it
SECTIONS = (ModelConfig, PeerConfig, DataConfig, ActivityConfig, MixingConfig, LossConfig, TrainConfig, FinetuneConfig,
            SeparateConfig)  # fmt: skip


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_the_keys_of_all_runs_are_what_they_were(profile):
    """golden_keys.json was written before settings were checked. Whoever means to change a key writes it anew."""
    now = {name: [run.train_key, run.key] for name, run in runs.grid(profile).items()}
    assert now == GOLDEN["keys"][profile]


@pytest.mark.parametrize("kind", ["train", "finetune"])
def test_the_settings_of_a_training_are_what_they_were(kind):
    now = config.settings_of(profiles.profile("tiny"), kind, 0)
    assert json.loads(json.dumps(now)) == GOLDEN["settings"][kind]


@pytest.mark.parametrize(
    ("section", "wrong", "said"),
    [
        (TrainConfig, {"batch_items": 0}, "got train.batch_items 0: expected a whole number of at least 1 .*e 16"),
        (TrainConfig, {"max_items": -5}, "got train.max_items -5: expected a whole number of at least 1"),
        (TrainConfig, {"max_items": HUGE}, r"got train.max_items 10+\.\.\.: expected"),
        (TrainConfig, {"max_items": 2.0}, "got train.max_items 2.0: expected a whole number"),
        (TrainConfig, {"learning_rate": math.nan}, "got train.learning_rate nan: expected a number above 0"),
        (TrainConfig, {"learning_rate": math.inf}, "got train.learning_rate inf: expected a number above 0"),
        (TrainConfig, {"learning_rate": 0.0}, "got train.learning_rate 0.0: expected a number above 0"),
        (TrainConfig, {"learning_rate": "1e-3"}, "got train.learning_rate '1e-3': expected a number above 0"),
        (TrainConfig, {"schedule": "linear"}, "got train.schedule 'linear': expected one of step, cosine"),
        (TrainConfig, {"precision": "float16"}, "got train.precision 'float16': expected one of float32, bfloat16"),
        (TrainConfig, {"decay": 1.1}, "got train.decay 1.1: expected a number above 0 and .* for instance 0.98"),
        (TrainConfig, {"ema_decay": 1.0}, "got train.ema_decay 1.0: expected .* at least 0 and at most 0.999999"),
        (MixingConfig, {"item_channels": "left"}, "got mixing.item_channels 'left': expected one of both, one"),
        (LossConfig, {"stft_scale": "half"}, "got loss.stft_scale 'half': expected one of plain, unit"),
        (TrainConfig, {"patience": -1}, "got train.patience -1: expected a whole number of at least 0"),
        (TrainConfig, {"loader_workers": 10**6}, "got train.loader_workers 1000000: expected .* at most 1024"),
        (TrainConfig, {"batch_items": 8, "max_items": 4}, "got max_items 4 and batch_items 8: expected at least one"),
        (SeparateConfig, {"segment_seconds": 1e9}, "got separate.segment_seconds 1000000000.0: .* at most 600 .longer"),
        (SeparateConfig, {"segment_seconds": HUGE}, "got separate.segment_seconds 100"),
        (SeparateConfig, {"hop_seconds": 0}, "got separate.hop_seconds 0: expected a number above 0"),
        (SeparateConfig, {"hop_seconds": 3.1}, "got segments of 3 s every 3.1 s: expected 0 < hop <= segment"),
        (SeparateConfig, {"window": "hann"}, "got separate.window 'hann': expected one of triangle, tenth, flat"),
        (SeparateConfig, {"peak": 1}, "got separate.peak 1: expected True or False$"),
        (SeparateConfig, {"batch_segments": True}, "got separate.batch_segments True: expected a whole number"),
        (MixingConfig, {"drop_probability": 1.5}, "got mixing.drop_probability 1.5: expected a number of at least 0"),
        (MixingConfig, {"gain_db": math.inf}, "got mixing.gain_db inf: expected .* at most 200"),
        (MixingConfig, {"chunk_seconds": -1}, "got mixing.chunk_seconds -1: expected a number above 0"),
        (ActivityConfig, {"quantile": 1.01}, "got activity.quantile 1.01: expected .* at most 1"),
        (ActivityConfig, {"overlap": 1.0}, "got activity.overlap 1.0: expected .* at most 0.99"),
        (ActivityConfig, {"chunks": 0}, "got activity.chunks 0: expected a whole number of at least 1"),
        (ActivityConfig, {"energy": "peak"}, "got activity.energy 'peak': expected one of rms, mean, sum"),
        (LossConfig, {"reduction": "median"}, "got loss.reduction 'median': expected one of mean, sum"),
        (LossConfig, {"waveform_weight": -1.0}, "got loss.waveform_weight -1.0: expected a number of at least 0"),
        (LossConfig, {"waveform_weight": 0, "spectral_weight": 0}, "waveform_weight 0: expected one of them above 0"),
        (DataConfig, {"source": "tape"}, "got data.source 'tape': expected one of embedded, musdb18hq, musdb18, prev"),
        (DataConfig, {"source": "folder"}, "got data.source 'folder' without data.folder: expected the folder"),
        (DataConfig, {"train_songs": -1}, "got data.train_songs -1: expected a whole number of at least 0"),
        (DataConfig, {"seed": 2**32}, "got data.seed 4294967296: expected .* at most 4294967295"),
        (FinetuneConfig, {"labels": "guess"}, "got finetune.labels 'guess': expected one of teacher, truth"),
        (FinetuneConfig, {"pools": "all"}, "got finetune.pools 'all': expected one of signals, kinds"),
        (FinetuneConfig, {"keep": ("noise",)}, r"got finetune.keep \('noise',\): expected a tuple, each item one of"),
        (FinetuneConfig, {"keep": "pseudo"}, "got finetune.keep 'pseudo': expected a tuple, each item one of pseudo"),
        (FinetuneConfig, {"unlabelled": "all"}, "got finetune.unlabelled 'all': expected one of both"),
        (FinetuneConfig, {"threshold_db": 0.0}, "got finetune.threshold_db 0.0: expected a number above 0"),
        (FinetuneConfig, {"energy_over": "segment"}, "and teacher_sees 'chunk': expected teacher_sees 'segment'"),
        (FinetuneConfig, {"train": None}, "got finetune.train None: expected TrainConfig"),
        (ModelConfig, {"targets": "vocals"}, r"got model.targets 'vocals': expected a tuple of texts .* \('vocals',\)"),
        (ModelConfig, {"targets": ["vocals"]}, r"got model.targets \['vocals'\]: expected a tuple of texts"),
        (ModelConfig, {"targets": ("a", "a")}, "at least one and each once"),
        (ModelConfig, {"targets": ()}, r"got model.targets \(\): expected .* at least one"),
        (ModelConfig, {"targets": ("a/b",)}, r"got model.targets \('a/b',\): expected .*names of files"),
        (ModelConfig, {"features": 0}, "got model.features 0: expected a whole number of at least 1"),
        (ModelConfig, {"n_fft": 1}, "got model.n_fft 1: expected a whole number of at least 2"),
        (ModelConfig, {"hop_samples": 1025}, "got hop_samples 1025 with n_fft 2048: expected a hop of at most half"),
        (ModelConfig, {"band_split": "v9"}, "unknown band split 'v9': expected one of v1, v2"),
        (ModelConfig, {"band_split": (3, 5)}, "does not fill the spectrum"),
        (ModelConfig, {"band_split": 7}, "got model.band_split 7: expected a text or a tuple, each"),
        (PeerConfig, {"system": "spleeter"}, "got peer.system 'spleeter': expected one of hdemucs, umx, convtasnet"),
        (PeerConfig, {"depth": 0}, "got peer.depth 0: expected a whole number of at least 1"),
        (PeerConfig, {"targets": ("a", "a")}, "each once"),
        (PeerConfig, {"hop_samples": 1025}, "at most half of n_fft"),
        (Profile, {"seeds": (0, -1)}, r"got profile.seeds \(0, -1\): expected a tuple, each item a whole number of at"),
        (Profile, {"crossed": (("bass",),)}, "got profile.crossed .*: expected .*each item a pair of a text and a"),
        (Profile, {"model": MixingConfig()}, "got profile.model MixingConfig.*: expected ModelConfig or PeerConfig"),
        (Profile, {"mixing": MixingConfig(chunk_seconds=0.02)}, "got mixing.chunk_seconds 0.02: expected more"),
        (Profile, {"separate": SeparateConfig(0.04, 0.01)}, r"longer than the STFT window \(0.046 s\)"),
        (Profile, {"activity": ActivityConfig(segment_seconds=0.1, chunks=10_000)}, "got 10000 activity.chunks"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_one_line_with_what_was_expected(section, wrong, said):
    with pytest.raises(ConfigError, match=said) as error:
        section(**({"name": "mine"} if section is Profile else {}) | wrong)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_replace_checks_again_and_so_does_a_configuration_from_json():
    with pytest.raises(ConfigError, match="got train.batch_items 0"):
        replace(profiles.TINY.train, batch_items=0)
    from bsrnn.checkpoint import model_config

    assert model_config({"targets": ["a"], "band_split": [1000, 25]}) == ModelConfig(("a",), (1000, 25))
    for wrong, said in (({"features": 1.5}, "got model.features 1.5"), ({"targets": [3]}, "got model.targets"),
                        ({"features": True}, "got model.features True")):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            model_config(wrong)


def test_values_stay_what_they_are():
    settings = SeparateConfig(segment_seconds=3, hop_seconds=1)
    assert type(settings.segment_seconds) is int and settings == SeparateConfig(3.0, 1.0)


@pytest.mark.parametrize("section", [*SECTIONS, Settings, Profile])
def test_every_number_text_and_list_of_a_section_has_limits_of_its_own(section):
    """A field whose type is a bare ``int``, ``float`` or ``str`` would take anything of it."""
    free = {"folder", "name"}  # any text, or one that is held against another field
    bare = {name for name, hint in limits._hints(section).items() if hint in (int, float, str)}
    assert bare <= free and hasattr(section, "__post_init__")
    assert {field.name for field in fields(section)} == set(limits._hints(section))


@pytest.mark.parametrize(
    ("hint", "fine", "wrong"),
    [
        (Annotated[int, limits.within(2, 4)], (2, 4), (1, 5, 3.0, True, "3", None, math.nan)),
        (Annotated[float, limits.within(0, 1, above=True)], (1, 0.5, 1.0), (0, 0.0, 1.01, math.nan, -math.inf, HUGE)),
        (Literal["a", "b"], ("a", "b"), ("c", "", None, ("a",), ["a"])),
        (tuple[limits.Count, ...], ((), (1,), (3, 1)), ((0,), [1], 1, (1, "1"))),
        (tuple[str, int], (("a", 1),), (("a",), ("a", 1, 2), (1, "a"))),
        (str | tuple[int, ...], ("", "v7", (1, 2)), (1, (1, "a"), None)),
        (bool, (True, False), (0, 1, "true")),
    ],
)
def test_what_fits_a_type(hint, fine, wrong):
    assert all(limits.fits(value, hint) for value in fine)
    assert not any(limits.fits(value, hint) for value in wrong)


def test_settings_that_need_each_other_are_changed_at_once():
    """Either of them alone cannot be: a hop longer than half of the old window, a window of twice the old hop."""
    for assignments in (("model.n_fft=512", "model.hop_samples=128"), ("model.hop_samples=128", "model.n_fft=512")):
        model = overrides.changed(profiles.TINY, *assignments).model
        assert (model.n_fft, model.hop_samples) == (512, 128)
    with pytest.raises(ConfigError, match="got hop_samples 512 with n_fft 512"):
        overrides.changed(profiles.TINY, "model.n_fft=512")
    both = overrides.changed(profiles.TINY, "train.max_items=16", "finetune.train.max_items=12")
    assert (both.train.max_items, both.finetune.train.max_items) == (16, 12)
