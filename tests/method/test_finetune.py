"""The semi-supervised sampler: the energy rules on constructed cases, pools, self-boosting, resuming."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from whole_training import fit

from bsrnn import checkpoint, recipes
from bsrnn.audio.files import read, write
from bsrnn.config import (
    DataConfig,
    FinetuneConfig,
    MixingConfig,
    ModelConfig,
    SeparateConfig,
    Settings,
    TrainConfig,
)
from bsrnn.data import songs
from bsrnn.errors import ConfigError, DataError
from bsrnn.finetune import SemiSupervised, Teacher, classify, kind_of
from bsrnn.mixing import RandomMixes, index_sources, normalise_peak
from bsrnn.study.profiles import Profile
from bsrnn.train import Trainer, new_model

RATE = 44100
MODEL = ModelConfig(targets=("low",), band_split=(8, 16, 233), n_fft=512, hop_samples=256, features=4, modules=1)
TRAIN = TrainConfig(batch_items=2, schedule="cosine", max_items=8, validate_items=4, patience=0, loader_workers=0)


def chunk(level, seed=0):
    return level * torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 2, 4410)))


class RuleModel(torch.nn.Module):
    """Separates by a rule of the test's."""

    def __init__(self, rule):
        super().__init__()
        self.rule, self.config, self.window = rule, MODEL, torch.zeros(1)

    def forward(self, mixture):
        return self.rule(mixture)[:, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    for index in range(4):
        generator = np.random.default_rng(index)
        for stem, level in (("low", 0.1), ("high", 0.05)):
            audio = level * generator.standard_normal((2, 7 * RATE)).astype(np.float32)
            write(root / f"song{index}" / f"{stem}.wav", audio, RATE)
    return root


@pytest.fixture(scope="module")
def labelled(folder):
    return songs.read_songs(folder)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    root = tmp_path_factory.mktemp("music")
    for index in range(3):
        audio = np.random.default_rng(10 + index).standard_normal((2, 8 * RATE)).astype(np.float32)
        write(root / f"music{index}.flac", 0.1 * audio, RATE, subtype="PCM_16")
    (root / "broken.wav").write_bytes(b"RIFF but not audio")
    return songs.read_mixtures(root)


def pools(source, size, first_item=6):
    """Targets and residuals without their kinds, and the decisions, of one batch."""
    source.config = replace(source.config, train=replace(source.config.train, batch_items=size))
    draw = source.draw(first_item)
    estimates = source.ask_teacher(draw.mixtures) if len(draw.mixtures) else draw.mixtures
    targets, residuals, counts = source.pools(draw, estimates)
    return [signal for _, signal in targets], [signal for _, signal in residuals], dict(counts)


def settings_of(mixing=MixingConfig(chunk_seconds=0.25), train=TRAIN, **finetuning):
    return Settings("sampler", mixing=mixing, finetune=FinetuneConfig(train=train, **finetuning))


def sampler(labelled, unlabelled, rule, **finetuning):
    mixing = MixingConfig(chunk_seconds=0.25, gain_db=0.0, drop_probability=0.0)
    mixtures = unlabelled.songs if unlabelled else []
    return SemiSupervised(labelled, mixtures, Teacher(RuleModel(rule), "low", 0.0), settings_of(mixing, **finetuning))


@pytest.mark.parametrize(
    ("target_level", "residual_level", "expected"),
    [
        (1.0, 1.0, "pseudo"),  # both are there
        (0.0, 1.0, "clean_residual"),  # the target is absent
        (1.0, 0.0, "clean_target"),  # all else is absent
        (0.01, 1.0, "clean_residual"),  # target 40 dB down
        (0.1, 1.0, "pseudo"),  # 20 dB down
        (1.0, 0.01, "clean_target"),
        (0.0, 0.0, "pseudo"),  # silence says nothing
    ],
)
def test_the_energy_rules(target_level, residual_level, expected):
    target, residual = chunk(target_level, 0), chunk(residual_level, 1)
    assert classify(target + residual, target) == [expected]


def test_exactly_thirty_decibels_are_not_more_than_thirty():
    """Powers of two keep the ratio exact: 1024 to 1 is a little more than 30 dB, and 30.103 dB itself."""
    mixture = torch.ones(1, 2, 64, dtype=torch.float64)
    estimate = mixture / 32  # energy down by 1024
    exact = float(10 * torch.log10(torch.tensor(1024.0, dtype=torch.float64)))
    assert classify(mixture, estimate) == ["clean_residual"]
    assert classify(mixture, estimate, exact + 1e-6) == ["pseudo"]
    assert classify(mixture, mixture / 32**0.9) == ["pseudo"]
    assert kind_of(30.0, 0.0) == kind_of(0.0, 30.0) == "pseudo"
    just_more = np.nextafter(30.0, 31.0)
    assert kind_of(just_more, 0.0) == "clean_residual" and kind_of(0.0, just_more) == "clean_target"
    both = classify(torch.cat([mixture, mixture]), torch.cat([estimate, mixture - estimate]))
    assert both == ["clean_residual", "clean_target"]


def test_pools_hold_clean_signals_then_what_the_teacher_makes_of_the_unlabelled(labelled, unlabelled):
    def rule(mixture):  # of the first chunk nothing is target, of the second all, of the third a half
        return mixture * torch.tensor([0.0, 1.0, 0.5])[: len(mixture), None, None]

    source = sampler(labelled, unlabelled, rule)
    targets, residuals, counts = pools(source, 3)
    assert len(targets) == 3 + 2 and len(residuals) == 3 + 2
    assert counts == {"labelled": 3, "clean_residual": 1, "clean_target": 1, "pseudo": 1}
    np.testing.assert_array_equal(targets[4], residuals[4])  # a half each
    # the chunk that is all target came in whole: it lies in an unlabelled file, sample by sample
    whole = [song.read("mixture") for song in unlabelled.songs]
    starts = [np.flatnonzero(audio[0] == targets[3][0, 0]) for audio in whole]
    found = [(audio, start) for audio, at in zip(whole, starts, strict=True) for start in at]
    assert any(np.array_equal(audio[:, start : start + 11025], targets[3]) for audio, start in found)


def test_the_control_draws_the_same_labelled_signals_and_never_asks_the_teacher(labelled, unlabelled):
    def refuse(mixture):
        raise AssertionError("the control has no unlabelled songs")

    control, finetuned = sampler(labelled, None, refuse), sampler(labelled, unlabelled, lambda m: m / 2)
    (targets, residuals, counts), theirs = pools(control, 2), pools(finetuned, 2)
    for mine, other in zip((targets, residuals), theirs, strict=False):
        assert len(mine) == len(other) == 4  # pools of one size: labelled signals stand in for the unlabelled ones
        for number in range(2):
            np.testing.assert_array_equal(mine[number], other[number])
        assert not any(np.array_equal(mine[0], signal) for signal in mine[2:])
    assert counts == {"labelled": 4}


def test_the_control_draws_the_same_gains(labelled, unlabelled):
    teacher, draws = Teacher(RuleModel(lambda mixture: mixture / 2), "low", 0.0), []
    for mixtures in ([], unlabelled.songs):
        source = SemiSupervised(labelled, mixtures, teacher, settings_of())
        draw = source.draw(4)
        source.mix(draw, draw.mixtures / 2)
        draws.append(draw.mixing.random())  # as many numbers were taken
    assert draws[0] == draws[1]


def test_random_tone_reaches_targets_and_residuals_and_shifts_no_other_draw(labelled, unlabelled):
    teacher, batches = Teacher(RuleModel(lambda mixture: mixture / 2), "low", 0.0), []
    for tone_db in (0.0, 12.0):
        mixing = MixingConfig(chunk_seconds=0.25, drop_probability=0.0, tone_db=tone_db)
        source = SemiSupervised(labelled, unlabelled.songs, teacher, settings_of(mixing))
        draw = source.draw(4)
        ((mixture, target), counts) = source.mix(draw, draw.mixtures / 2)
        batches.append(((mixture, target[:, 0]), counts, draw.mixing.random()))
    (plain, counts, draw), (toned, counts_toned, draw_toned) = batches
    assert draw == draw_toned and counts == counts_toned
    levels = [[signal.double().square().sum((1, 2)) for signal in (target, mixture - target)]
              for mixture, target in (plain, toned)]  # fmt: skip
    assert torch.allclose(levels[0][0] / levels[0][1], levels[1][0] / levels[1][1], rtol=1e-3)  # gains are the same
    for before, after in zip((plain[1], plain[0] - plain[1]), (toned[1], toned[0] - toned[1]), strict=True):
        spectra = [torch.fft.rfft(signal.double()).abs().mean(1) for signal in (before, after)]
        curve = 20 * torch.log10(spectra[1] / spectra[0])
        assert (curve.amax(1) - curve.amin(1)).min() > 6  # dB: another sound, both of target and of residual


def test_a_batch_mixes_a_target_and_a_residual_of_the_pools_and_depends_on_seed_and_item(labelled, unlabelled):
    source = sampler(labelled, unlabelled, lambda mixture: mixture / 2)
    ((mixture, target), _) = source.label([6])[0]
    assert mixture.shape == (2, 2, 11025) and target.shape == (2, 1, 2, 11025)
    again = sampler(labelled, unlabelled, lambda mixture: mixture / 2).label([6])[0][0]
    assert torch.equal(mixture, again[0]) and torch.equal(target, again[1])
    assert not torch.equal(mixture, source.label([8])[0][0][0])
    targets, residuals, _ = pools(source, 2)
    for mixed, wanted in zip(mixture.numpy(), target[:, 0].numpy(), strict=True):
        peak = max(np.abs(mixed).max(), np.abs(wanted).max())
        assert peak == pytest.approx(1)
        scales = [wanted[0, 0] / signal[0, 0] for signal in targets]
        assert any(
            np.allclose(wanted, scale * signal, atol=1e-6) for scale, signal in zip(scales, targets, strict=True)
        )
        rest = mixed - wanted
        scales = [rest[0, 0] / signal[0, 0] for signal in residuals]
        assert any(
            np.allclose(rest, scale * signal, atol=1e-5) for scale, signal in zip(scales, residuals, strict=True)
        )


@pytest.mark.parametrize("self_boosting", [True, False])
def test_a_better_student_and_no_other_becomes_the_teacher(labelled, self_boosting):
    teacher, student = new_model(MODEL, 0), new_model(MODEL, 1)
    settings = settings_of(unlabelled="none", self_boosting=self_boosting)
    source = SemiSupervised(labelled, [], Teacher(teacher, "low", 2.0), settings)
    assert source.validated(student, 2.0)["teacher_replaced"] is False  # equal is not better
    assert torch.equal(teacher.core[0].time.linear.weight, new_model(MODEL, 0).core[0].time.linear.weight)
    entry = source.validated(student, 2.5)
    assert entry["teacher_replaced"] is self_boosting
    assert entry["teacher_usdr"] == (2.5 if self_boosting else 2.0)
    same = all(torch.equal(a, b) for a, b in zip(teacher.parameters(), student.parameters(), strict=True))
    assert same is self_boosting


class Killed(Exception):
    """Stands for the process's end."""


@pytest.fixture(scope="module")
def finetunings(folder, unlabelled, tmp_path_factory):
    """(finetune(name, **settings) -> training, folder): eight steps, four validations, groups of two batches."""
    root = tmp_path_factory.mktemp("models")
    checkpoint.save(new_model(MODEL, 0), root / "start")

    def finetune(name, **settings):
        settings = {"teacher_batch": 4} | settings
        train = replace(TRAIN, learning_rate=1e-2, max_items=16, ema_decay=settings.pop("ema_decay", 0.0))
        mixing = MixingConfig(chunk_seconds=0.25, item_channels=settings.pop("item_channels", "both"))
        profile = Profile(
            "tests",
            data=DataConfig(source="folder", folder=str(folder)),
            model=MODEL,
            mixing=mixing,
            targets=("low",),
            finetune=FinetuneConfig(train=train, **settings),
            validate=SeparateConfig(1.0, 1.0),
        )
        taught = songs.Mixtures([]) if settings.get("unlabelled") == "none" else unlabelled
        return recipes.finetune_model(profile, 0, recipes.Teaching("low", root / "start", taught), root / name)

    return finetune, root


def same_weights(one, other):
    pairs = zip(checkpoint.load(one).parameters(), checkpoint.load(other).parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("step", [2, 4, 6, 8])
def test_a_killed_finetuning_goes_on_to_the_same_weights(finetunings, monkeypatch, step):
    """Killed before a group, within one, and after its teacher was replaced: what the teacher knows must come back."""
    finetune, root = finetunings
    whole = finetune("whole")
    assert [entry["teacher"] for entry in whole["history"]][-1] > 0
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)
    real, steps = Trainer.step, []

    def failing(*arguments):
        steps.append(1)
        if len(steps) == step:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(Trainer, "step", failing)
    name = f"killed-{step}"
    with pytest.raises(Killed):
        finetune(name)
    resumed = finetune(name)
    assert len(steps) == 8 + 1  # none was repeated
    for key in ("valid_usdr", "loss", "counts", "teacher", "teacher_replaced"):
        assert [entry[key] for entry in resumed["history"]] == [entry[key] for entry in whole["history"]]
    assert same_weights(root / "whole", root / name)


@pytest.mark.parametrize("recipe", [{"ema_decay": 0.5}, {"keep_start": 0.5}, {"ema_decay": 0.5, "keep_start": 0.25}])
def test_a_killed_finetuning_with_an_average_of_one_channel_items_goes_on_to_the_same_weights(
    finetunings, monkeypatch, recipe
):
    finetune, root = finetunings
    recipe = {"item_channels": "one"} | recipe
    names = [f"{name} {sorted(recipe.items())}" for name in ("averaged", "averaged-killed")]
    finetune("stereo"), finetune("plain", item_channels="one")
    whole = finetune(names[0], **recipe)
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)
    real, steps = Trainer.step, []

    def failing(*arguments):
        steps.append(1)
        if len(steps) == 6:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(Killed):
        finetune(names[1], **recipe)
    resumed = finetune(names[1], **recipe)
    assert len(steps) == 8 + 1
    for key in ("valid_usdr", "loss", "counts", "teacher"):
        assert [entry[key] for entry in resumed["history"]] == [entry[key] for entry in whole["history"]]
    assert same_weights(root / names[0], root / names[1])
    assert not same_weights(root / names[0], root / "plain") and not same_weights(root / "plain", root / "stereo")


def test_a_finetuning_can_learn_from_the_random_mixes_of_training(finetunings, folder, monkeypatch):
    finetune, root = finetunings
    seen, step = [], Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda trainer, *batch: (seen.append(batch), step(trainer, *batch)))
    trained = finetune("mixes", pools="mixes", unlabelled="none", item_channels="one")
    assert trained["unlabelled"] == {"songs": 0} and trained["items"] == 16 and len(seen) == 8
    mixing = MixingConfig(chunk_seconds=0.25, item_channels="one")
    labelled = songs.load(DataConfig(source="folder", folder=str(folder)), "train", targets=("low",), sample_rate=RATE)
    mixes = RandomMixes(index_sources(labelled, targets=("low",)), ("low",), mixing, 16, 0, RATE)
    for number, (mixture, targets) in enumerate(seen):
        items = [mixes[2 * number], mixes[2 * number + 1]]
        assert torch.equal(mixture, torch.stack([item[0] for item in items]))
        assert torch.equal(targets, torch.stack([item[1] for item in items]))
    assert not same_weights(root / "mixes", root / "start")
    with pytest.raises(ConfigError, match="'mixes' and 3 unlabelled songs: expected none"):
        finetune("refused", pools="mixes")
    assert not (root / "refused").exists()


@pytest.mark.parametrize("pools", ["signals", "mixes"])
def test_a_start_that_compares_channels_is_not_finetuned_on_one_of_them(folder, tmp_path, pools):
    stereo = replace(MODEL, tac_factor=2)
    checkpoint.save(new_model(stereo, 0), tmp_path / "start")
    profile = Profile("tests", data=DataConfig(source="folder", folder=str(folder)), model=stereo,
                      mixing=MixingConfig(chunk_seconds=0.25, item_channels="one"),
                      finetune=FinetuneConfig(train=TRAIN, unlabelled="none", pools=pools))  # fmt: skip
    with pytest.raises(ConfigError, match="leaves a model with a stereo module"):
        recipes.finetune_model(
            profile, 0, recipes.Teaching("low", tmp_path / "start", songs.Mixtures([])), tmp_path / "out"
        )


def test_what_is_validated_and_kept_is_the_mean_of_the_finetuned_weights_and_their_start(finetunings, monkeypatch):
    finetune, root = finetunings
    learnt, judged, validate = [], [], Trainer.validate

    def seen(trainer, *arguments):
        learnt.append({name: value.clone() for name, value in trainer.model.state_dict().items()})
        validate(trainer, *arguments)

    monkeypatch.setattr(Trainer, "validate", seen)
    monkeypatch.setattr("bsrnn.recipes.validation_usdr", lambda model, *_: judged.append(model) or float(len(judged)))
    recipe = {"self_boosting": False, "item_channels": "one"}  # a student that teaches would learn otherwise
    finetune("all-new", **recipe)
    path, judged[:] = learnt[:], []
    learnt.clear()
    finetune("a-quarter-old", keep_start=0.25, **recipe)
    start = checkpoint.load(root / "start").state_dict()
    for name, new in path[-1].items():
        assert torch.equal(new, learnt[-1][name])  # the way is the same
        expected = 0.25 * start[name] + 0.75 * new
        for kept in (checkpoint.load(root / "a-quarter-old").state_dict(), judged[-1].state_dict()):
            assert torch.allclose(kept[name], expected, atol=1e-7)
    assert not same_weights(root / "a-quarter-old", root / "all-new")


def test_the_student_that_becomes_the_teacher_is_the_average_that_was_validated(labelled, tmp_path):
    settings = settings_of(train=replace(TRAIN, ema_decay=0.5), unlabelled="none")
    student, teacher, scores = new_model(MODEL, 0), new_model(MODEL, 0), iter([1.0, 2.0])
    source = SemiSupervised(labelled, [], Teacher(teacher, "low", 0.0), settings)
    weights, step = [], Trainer.step
    with pytest.MonkeyPatch.context() as patch:

        def step_and_note(trainer, mixture, targets):
            step(trainer, mixture, targets)
            weights.append(trainer.model.masks[0].output[0].bias.detach().clone())

        patch.setattr(Trainer, "step", step_and_note)
        fit(student, source, lambda model: next(scores), settings.finetune.train, tmp_path)
    average = weights[0]
    for new in weights[1:]:
        average = 0.5 * average + 0.5 * new
    torch.testing.assert_close(teacher.masks[0].output[0].bias, average, rtol=0, atol=3e-7)  # of steps of 1e-3
    assert len(weights) == 4 and source.replacements == 2
    assert all(torch.equal(a, b) for a, b in zip(teacher.parameters(), student.parameters(), strict=True))


def test_a_batch_of_one_channel_is_a_channel_of_the_stereo_batch(labelled, unlabelled):
    """The same signals at the same gains; the teacher separates that channel alone. Of the control likewise."""
    seen, drawn = [], set()

    def rule(mixture):
        seen.append(tuple(mixture.shape))
        return mixture / 2

    for mixtures in (unlabelled.songs, []):
        stereo, mono = (
            SemiSupervised(labelled, mixtures, Teacher(RuleModel(rule), "low", 0.0), settings_of(mixing))
            for mixing in (MixingConfig(chunk_seconds=0.25, item_channels=channels) for channels in ("both", "one"))
        )
        for first in range(0, 12, 2):
            (both, both_targets), counts = stereo.label([first])[0]
            (mixture, targets), mono_counts = mono.label([first])[0]
            assert mixture.shape == (2, 1, RATE // 4) and targets.shape == (2, 1, 1, RATE // 4)
            assert counts == mono_counts
            levels = (mixture / both).nan_to_num().abs().amax(-1)  # (B, C)
            channel = min((0, 1), key=lambda c: (mixture[:, 0] - levels[:, c, None] * both[:, c]).abs().max())
            drawn.add(channel)
            for one, of_both in ((mixture, both), (targets[:, 0], both_targets[:, 0])):
                scale = one.square().sum((1, 2)).sqrt() / of_both[:, channel].norm(dim=1).clamp_min(1e-9)
                expected = scale[:, None] * of_both[:, channel]
                torch.testing.assert_close(one[:, 0], expected, rtol=0, atol=1e-5)
            peaks = torch.maximum(mixture.abs().amax((1, 2)), targets.abs().amax((1, 2, 3)))
            assert all(peak in (0, 1) for peak in peaks.tolist())
    assert drawn == {0, 1} and set(seen) == {(2, 2, RATE // 4), (2, 1, RATE // 4)}
    stereo_model = new_model(replace(MODEL, tac_factor=1), 0)
    one = MixingConfig(item_channels="one")
    with pytest.raises(ConfigError, match="half of its input: set mixing.item_channels to both"):
        SemiSupervised(labelled, [], Teacher(stereo_model, "low", 0.0), settings_of(one))


def test_the_teacher_labels_in_groups_and_never_across_a_validation(labelled, unlabelled):
    """Four items a validation: groups of at most two batches, whatever the teacher could take at once."""
    asked = []

    def rule(mixture):
        asked.append(len(mixture))
        return mixture / 2

    source = sampler(labelled, unlabelled, rule, teacher_batch=100)
    batches = list(source.batches(0))
    assert len(batches) == 4 and asked == [4, 4]
    one_by_one = sampler(labelled, unlabelled, rule, teacher_batch=1)
    for (mixture, target), (other_mixture, other_target) in zip(batches, one_by_one.batches(0), strict=True):
        assert torch.equal(mixture, other_mixture) and torch.equal(target, other_target)
    assert asked[2:] == [2, 2, 2, 2]
    assert source.counts == one_by_one.counts and source.counts["labelled"] == 8


def test_the_teacher_labels_no_batch_beyond_the_next_validation(labelled, unlabelled):
    """Else some of its labels would come from a teacher that is no more."""
    scale = [0.5]
    source = sampler(labelled, unlabelled, lambda mixture: mixture * scale[0], teacher_batch=100)
    seen, real = [], source.ask_teacher
    source.ask_teacher = lambda mixtures: seen.append(scale[0]) or real(mixtures)
    for number, _ in enumerate(source.batches(0)):
        if number == 1:  # the second batch ends at the validation of item 4
            scale[0] = 0.25
    assert seen == [0.5, 0.25]


# ---- the paper's open choices ----


def of_kind(kind, pool):
    return [signal for name, signal in pool if name == kind]


def pools_with_kinds(source, size, first_item=6):
    source.config = replace(source.config, train=replace(source.config.train, batch_items=size))
    draw = source.draw(first_item)
    return draw, *source.pools(draw, source.ask_teacher(draw.mixtures))


def test_a_teacher_that_sees_the_segment_labels_the_same_chunks(labelled, unlabelled):
    """With a rule that works sample by sample the labels are the same: the chunk is cut from the segment's."""
    chunk, segment = (
        pools_with_kinds(sampler(labelled, unlabelled, lambda m: m / 4, teacher_sees=sees), 3)
        for sees in ("chunk", "segment")
    )
    assert segment[0].mixtures.shape == (3, 2, 6 * RATE) and chunk[0].mixtures.shape == (3, 2, RATE // 4)
    for one, other in zip(of_kind("pseudo", chunk[1]), of_kind("pseudo", segment[1]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(of_kind("pseudo", chunk[1])) == 3


def test_energies_over_the_chunk_or_over_all_that_the_teacher_has_seen(labelled, unlabelled):
    """The target rests in every chunk but plays elsewhere in its segment: only the chunk's energy says so."""
    offsets = sampler(labelled, unlabelled, None, teacher_sees="segment").draw(6).offsets

    def rule(mixtures):
        estimates = mixtures / 2
        for estimate, offset in zip(estimates, offsets, strict=True):
            estimate[:, offset : offset + RATE // 4] = 0
        return estimates

    found = []
    for over in ("chunk", "segment"):
        source = sampler(labelled, unlabelled, rule, teacher_sees="segment", energy_over=over)
        found.append(pools_with_kinds(source, 2)[3])
    assert found[0]["clean_residual"] == 2 and found[1]["pseudo"] == 2


def test_each_channel_by_itself(labelled, unlabelled):
    """The target rests in the right channel alone: that channel is a clean residual, the left one a pseudo pair."""
    left_only = torch.tensor([0.5, 0.0])[:, None]
    together = pools_with_kinds(sampler(labelled, unlabelled, lambda m: m * left_only), 2)
    assert together[3]["pseudo"] == 2 and together[3]["clean_residual"] == 0
    each = sampler(labelled, unlabelled, lambda m: m * left_only, channels="each")
    draw, targets, residuals, counts = pools_with_kinds(each, 2)
    assert counts["pseudo"] == 2 and counts["clean_residual"] == 2 and counts["labelled"] == 4
    assert all(signal.shape == (1, RATE // 4) for _, signal in targets + residuals)
    np.testing.assert_array_equal(of_kind("clean_residual", residuals)[1][0], draw.mixtures[1, 1].numpy())
    np.testing.assert_allclose(of_kind("pseudo", targets)[1][0], draw.mixtures[1, 0].numpy() / 2)
    (mixture, target), used = each.mix(draw, draw.mixtures * left_only)
    assert mixture.shape == (2, 2, RATE // 4) and target.shape == (2, 1, 2, RATE // 4)
    assert sum(number for name, number in used.items() if name.startswith("used/target")) == 4
    peaks = torch.maximum(mixture.abs().amax(2), target[:, 0].abs().amax(2))
    assert peaks.tolist() == [[pytest.approx(1)] * 2] * 2  # each channel has its own


def test_pools_by_kinds_draw_a_rare_kind_as_often_as_a_common_one(labelled, unlabelled):
    pool = [("labelled", np.zeros(1))] * 9 + [("clean_target", np.ones(1))]
    shares = {}
    for way in ("signals", "kinds"):
        source = sampler(labelled, unlabelled, None, pools=way)
        generator = np.random.default_rng(0)
        drawn = [source._choose(pool, generator)[0] for _ in range(4000)]
        shares[way] = drawn.count("clean_target") / 4000
    assert shares["signals"] == pytest.approx(0.1, abs=0.02) and shares["kinds"] == pytest.approx(0.5, abs=0.03)


def test_remixits_items_are_the_teachers_estimates_each_with_another_chunks_residual(labelled, unlabelled):
    source = sampler(labelled, unlabelled, lambda mixture: mixture * 0.25, pools="remixit")
    source.config = replace(source.config, train=replace(source.config.train, batch_items=3))
    draw = source.draw(6)
    (mixtures, targets), counts = source.mix(draw, source.ask_teacher(draw.mixtures))
    chunks, pairs = draw.mixtures.numpy(), []
    for item in zip(mixtures.numpy(), targets[:, 0].numpy(), strict=True):
        found = [
            (one, other)
            for one, other in itertools.product(range(3), repeat=2)
            if all(
                np.allclose(expected, given, atol=1e-6)
                for expected, given in zip(
                    normalise_peak(0.25 * chunks[one] + 0.75 * chunks[other], 0.25 * chunks[one]), item, strict=True
                )
            )
        ]
        assert len(found) == 1
        pairs += found
    assert [one for one, _ in pairs] == [0, 1, 2] and sorted(other for _, other in pairs) == [0, 1, 2]
    assert all(one != other for one, other in pairs)
    assert counts["used/target/pseudo"] == counts["used/residual/pseudo"] == 3 and counts["used/target/labelled"] == 0
    shifts = set()
    for first in range(0, 60, 3):  # both ways to send three residuals elsewhere are drawn
        pools = source.pools(draw, draw.mixtures * 0.25)
        chosen = list(source._remixed(pools, np.random.default_rng(first)))
        shifts.add(next(n for n, (_, signal) in enumerate(pools.residuals) if signal is chosen[0].residuals[0][1]))
    assert shifts == {1, 2}


def test_remixits_pools_hold_every_estimate_whatever_the_rules_say(labelled, unlabelled):
    def rule(mixture):  # clean residual, clean target, pseudo
        return mixture * torch.tensor([0.0, 1.0, 0.5])[: len(mixture), None, None]

    draw, targets, residuals, counts = pools_with_kinds(sampler(labelled, unlabelled, rule, pools="remixit"), 3)
    assert [kind for kind, _ in targets + residuals] == ["pseudo"] * 6
    assert counts["clean_residual"] == counts["clean_target"] == counts["pseudo"] == 1  # still counted
    np.testing.assert_array_equal(residuals[2][1], draw.mixtures[2].numpy() / 2)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"unlabelled": "none"}, "without unlabelled songs: expected some"),
     ({"train": replace(TRAIN, batch_items=1)}, "and train.batch_items 1: expected two or more")],
)  # fmt: skip
def test_remixit_needs_unlabelled_songs_and_two_items_a_batch(changed, said):
    with pytest.raises(ConfigError, match=said):
        FinetuneConfig(**{"train": TRAIN, "pools": "remixit"} | changed)


def test_only_the_kinds_to_keep_enter_the_pools(labelled, unlabelled):
    def rule(mixture):  # clean residual, clean target, pseudo
        return mixture * torch.tensor([0.0, 1.0, 0.5])[: len(mixture), None, None]

    for keep, sizes in ((("pseudo",), (4, 4)), (("clean_target", "clean_residual"), (4, 4)), ((), (3, 3))):
        _, targets, residuals, counts = pools_with_kinds(sampler(labelled, unlabelled, rule, keep=keep), 3)
        assert (len(targets), len(residuals)) == sizes
        assert {kind for kind, _ in targets + residuals} <= {"labelled", *keep}
        assert counts["pseudo"] == counts["clean_target"] == counts["clean_residual"] == 1  # all decisions are counted


def test_true_stems_instead_of_the_teacher(labelled, folder):
    """The upper bound: songs with stems as unlabelled ones, their targets taken from the files."""
    stems = songs.read_songs(folder)
    source = SemiSupervised(labelled, stems, Teacher(RuleModel(None), "low", 0.0), settings_of(labels="truth"))
    draw = source.draw(0)
    _, counts = source.label([0])[0]
    assert counts["pseudo"] == 2  # low and high play together all the time
    residual = draw.mixtures - draw.truth
    levels = [float(signal.std()) for signal in (draw.truth, residual)]
    assert levels == [pytest.approx(0.1, rel=0.05), pytest.approx(0.05, rel=0.05)]


def test_true_stems_that_are_not_there(labelled, unlabelled):
    with pytest.raises(DataError, match="labels 'truth' need the stem 'low' of every unlabelled song, but 'music0'"):
        sampler(labelled, unlabelled, None, labels="truth")


def test_unrelated_channels_are_not_for_a_model_that_compares_them(labelled):
    teacher = new_model(replace(MODEL, tac_factor=1), 0)
    with pytest.raises(ConfigError, match="but the model has a stereo module"):
        SemiSupervised(labelled, [], Teacher(teacher, "low", 0.0), settings_of(channels="each"))


def test_a_song_that_breaks_off_is_named_and_counted_with_the_silent_ones(labelled, unlabelled, tmp_path, capsys):
    """Its header is whole, so that only reading it to the end finds out."""
    good = 0.1 * np.random.default_rng(0).standard_normal((2, 7 * RATE)).astype(np.float32)
    for name in ("good", "damaged"):
        write(tmp_path / f"{name}.flac", good, RATE, subtype="PCM_16")
    write(tmp_path / "silent.wav", np.zeros((2, 7 * RATE), np.float32), RATE)
    write(tmp_path / "jingle.wav", good[:, :1000], RATE)
    data = (tmp_path / "damaged.flac").read_bytes()
    (tmp_path / "damaged.flac").write_bytes(data[: len(data) // 2])
    found = songs.read_mixtures(tmp_path)
    report = sampler(labelled, found, None).report()
    assert (report["songs"], report["silent"], report["short"]) == (1, ["silent"], ["jingle"])
    broken = report["unreadable"] | found.unreadable
    assert [Path(name).name for name in broken] == ["damaged.flac"] * len(broken) != []
    assert "damaged.flac" in capsys.readouterr().err


def test_two_broken_songs_of_one_name_are_two(labelled, tmp_path):
    good = 0.1 * np.random.default_rng(0).standard_normal((2, 7 * RATE)).astype(np.float32)
    write(tmp_path / "good.flac", good, RATE, subtype="PCM_16")

    class Broken(songs.Song):
        def read(self, *arguments):
            raise DataError("it breaks off")

    whole = songs.read_mixtures(tmp_path).songs
    broken = [Broken("01", {}, tmp_path / album / "01.flac", 9 * RATE, RATE) for album in ("a", "b")]
    source = SemiSupervised(labelled, whole + broken, Teacher(RuleModel(None), "low", 0.0), settings_of(MixingConfig()))
    assert len(source.report()["unreadable"]) == 2 and source.report()["silent"] == []


def test_unlabelled_music_that_is_all_too_short(labelled, tmp_path):
    write(tmp_path / "jingle.wav", np.ones((2, 1000), np.float32), RATE)
    with pytest.raises(DataError, match="all of 1 unlabelled songs are shorter than the 0.25 s that are mixed"):
        sampler(labelled, songs.read_mixtures(tmp_path), None)


def test_held_out_songs_are_no_unlabelled_music(finetunings, folder, tmp_path):
    """The labelled set's own folder as unlabelled music: its validation and test songs are left out."""
    for song in folder.iterdir():
        parts = [read(song / f"{stem}.wav") for stem in ("low", "high")]
        (tmp_path / song.name).mkdir()
        for name, audio in zip(("low", "high", "mixture"), (*parts, sum(parts)), strict=True):
            write(tmp_path / song.name / f"{name}.wav", audio, RATE)
    data = DataConfig(source="folder", folder=str(tmp_path))
    found = songs.read_mixtures(tmp_path)
    kept = recipes.without_held_out(found, data, 44100)
    held_out = {song.name for split in ("valid", "test") for song in songs.load(data, split)}
    assert set(kept.held_out) == held_out and len(held_out) == 2
    assert {song.name for song in kept.songs} == {song.name for song in songs.load(data, "train")}
    elsewhere = recipes.without_held_out(found, DataConfig(source="folder", folder=str(folder)), 44100)
    assert len(elsewhere.songs) == 4


def test_what_is_refused_does_not_take_the_folder(finetunings):
    finetune, root = finetunings
    with pytest.raises(ConfigError, match="got finetune.pools 'all': expected one of signals, kinds, remixit"):
        finetune("refused", pools="all")
    assert not (root / "refused").exists()


def test_finetuning_a_target_that_the_start_does_not_separate(folder, unlabelled, tmp_path):
    checkpoint.save(new_model(MODEL, 0), tmp_path / "start")
    profile = Profile("tests", data=DataConfig(source="folder", folder=str(folder)), model=MODEL)
    with pytest.raises(ConfigError, match="cannot finetune 'high': the model in .* separates low"):
        recipes.finetune_model(profile, 0, recipes.Teaching("high", tmp_path / "start", unlabelled), tmp_path / "out")


def test_unreadable_files_are_named_and_passed_over(unlabelled, tmp_path, capsys):
    assert [song.name for song in unlabelled.songs] == ["music0", "music1", "music2"]
    write(tmp_path / "good.wav", np.zeros((2, 100), np.float32), RATE)
    write(tmp_path / "slow.wav", np.zeros((2, 100), np.float32), 22050)
    (tmp_path / "empty.mp3").write_bytes(b"")
    found = songs.read_mixtures(tmp_path)
    lengths = [(song.name, song.frames, song.sample_rate) for song in found.songs]
    assert lengths == [("good", 100, RATE), ("slow", 200, RATE)] and list(found.unreadable) == ["empty.mp3"]
    assert "empty.mp3: an empty file (0 bytes)" in capsys.readouterr().err
