"""The registry of figures and tables, each a :class:`bsrnn.report.drawable.Artifact`, in the book's order.

:mod:`bsrnn.report.artifacts` shows and writes them.
"""

from bsrnn.errors import ConfigError
from bsrnn.report import claims
from bsrnn.report.drawable import Artifact
from bsrnn.study import results as finished
from bsrnn.study.results import OURS, any_of

__all__ = ["FROM_CONFIG", "REGISTRY", "Artifact", "get"]
FROM_CONFIG = "drawn from the configuration"
GUITAR = f"{OURS}, results/guitar: eight real songs by two artists, seed 0, the same in every profile; carries no claim"
REGISTRY: dict[str, Artifact] = {
    artifact.id: artifact
    for artifact in (
        Artifact(
            "bands",
            "figure",
            "Band splits",
            "01_band_split",
            "Every split of Section V-A against frequency; each box is one subband, a number its count.",
            "plots.bands",
            source=FROM_CONFIG,
        ),
        Artifact(
            "fig1",
            "figure",
            "Figure 1, the band-split RNN",
            "03_model",
            "(A) the pipeline, (B) band split, (C) band and sequence modelling, (D) mask estimation, with the "
            "numbers of bands and the shapes that the vocals model of this profile has.",
            "diagrams.architecture",
            source=FROM_CONFIG,
        ),
        Artifact(
            "training",
            "figure",
            "Training curves",
            "04_training",
            "Training loss (equation 1) and mean uSDR of the validation songs against the number of training items.",
            "plots.training",
            any_of(finished.is_base, finished.is_split),
            songs=finished.validation_words,
        ),
        Artifact(
            "grid",
            "table",
            "What was run",
            "04_training",
            "Every kind of run of this profile, and of the one that decides its claims, with its seeds, mean seconds "
            "of training and scoring on one core of a machine that did two runs and other things at a time, and the "
            "sum in minutes.",
            "tables.grid",
            lambda run: True,
            both=True,
        ),
        Artifact(
            "fig2",
            "figure",
            "Figure 2, semi-supervised sampling",
            "05_finetuning",
            "How one training item of the finetuning is drawn from labelled and unlabelled songs.",
            "diagrams.sampling",
            source=FROM_CONFIG,
        ),
        Artifact(
            "label_energies",
            "figure",
            "What the energy rules see",
            "05_finetuning",
            "Level of the teacher's target and residual below the mixture, for every chunk of the unlabelled songs' "
            "salient segments; hatched: by the true stems the signal rests there (more than 30 dB down). Lines: the "
            "thresholds of the sweep, the paper's in bold; the outer bins hold all beyond; counts are linear to 10, "
            "logarithmic above.",
            "tuning_plots.label_energies",
            finished.is_teacher,
            songs=finished.unlabelled_words,
        ),
        Artifact(
            "label_thresholds",
            "table",
            "The threshold of the energy rules",
            "05_finetuning",
            "Chunks that each rule calls clean at four thresholds. Truly clean: called so at 30 dB if the true stems "
            "took the estimates' place. Leak: median level, below the mixture, of what a called chunk should be free "
            "of (-120: nothing).",
            "tuning_tables.label_thresholds",
            finished.is_teacher,
            songs=finished.unlabelled_words,
        ),
        Artifact(
            "label_choices",
            "table",
            "What the rules are asked about",
            "05_finetuning",
            "The same at the paper's threshold for each reading of the paper: what the teacher sees, over what the "
            "energies are taken, both channels or each (then every channel counts as a chunk).",
            "tuning_tables.label_choices",
            finished.is_teacher,
            songs=finished.unlabelled_words,
        ),
        Artifact(
            "label_quality",
            "table",
            "How good the pseudo labels are",
            "05_finetuning",
            "Median uSDR, over the chunks that no rule calls clean, of the teacher's target and residual against the "
            "true stems, with 3 s or 6 s before the teacher, beside the mixture itself as a label of the target.",
            "tuning_tables.label_quality",
            finished.is_teacher,
            songs=finished.unlabelled_words,
        ),
        Artifact(
            "finetuning_counts",
            "table",
            "What the items were made of",
            "05_finetuning",
            "Decisions on the unlabelled chunks while each teacher was in place, the clean pairs from labelled songs "
            "beside them, and the share of the training items' targets and residuals that came from unlabelled songs.",
            "tuning_tables.finetuning_counts",
            finished.is_finetuned,
            songs=finished.unlabelled_words,
        ),
        Artifact(
            "finetuning",
            "figure",
            "Finetuning curves",
            "05_finetuning",
            "Mean uSDR of the validation songs while the model is finetuned, beside the control that sees "
            "labelled songs only and the upper bound that is given the unlabelled songs' true stems; a triangle marks "
            "the student's taking the teacher's place, the dotted line is the start.",
            "tuning_plots.finetuning",
            any_of(finished.is_finetuned, finished.is_control, finished.is_variant),
            songs=finished.validation_words,
            essential=finished.is_finetuned,
        ),
        Artifact(
            "finetuning_gain",
            "table",
            "Gain of the finetuning",
            "05_finetuning",
            "Mean uSDR in dB on the test songs, and apart on those with seen timbres, with new ones, and on the "
            "shifted ones (other styles, mastered); each model at its best validation, which is at the item named. "
            "Over control: the gain in uSDR over a model with the same start and budget that saw labelled songs only; "
            "low and high: 95 % interval over songs, and over seeds (other orders of the data from one start) where "
            "there are several; each stands for itself. Over start, over control and cSDR are of the test songs "
            "without the shifted ones.",
            "tuning_tables.finetuning_gain",
            any_of(
                finished.is_start, finished.is_finetuned, finished.is_control, finished.is_variant, finished.is_teacher
            ),
            essential=finished.is_finetuned,
        ),
        Artifact(
            "table2",
            "table",
            "Table II, hop of the overlap-add",
            "06_separation_and_evaluation",
            "uSDR of vocals for each hop, same weights; the cost counts model evaluations relative to a hop of 3 s.",
            "tables.table2",
            finished.is_hop,
            f"paper, Table II, and {OURS}",
        ),
        Artifact(
            "songs",
            "figure",
            "Song by song",
            "06_separation_and_evaluation",
            "uSDR of every test song beside estimators without a network; songs sorted by the model's score, "
            "those with the training songs' timbres apart from those with new ones.",
            "plots.songs",
            any_of(finished.is_base, finished.is_baselines),
        ),
        Artifact(
            "failures",
            "table",
            "Where the models fail",
            "06_separation_and_evaluation",
            "The test songs in groups: mean uSDR in dB over seeds and songs, 95 % interval over the songs of a group, "
            "mean standard deviation of a song over seeds, and beside it the mixture and the filter that knows the "
            "song. Halves by the median of all; groups overlap, and the best and worst are chosen by the score itself.",
            "failure_tables.failures",
            any_of(finished.is_base, finished.is_baselines),
            of_claims=True,  # many songs, and seeds to tell them from
        ),
        Artifact(
            "real",
            "table",
            "On a real recording",
            "07_real_recording",
            "The models, trained on this profile's songs only, on real music, beside estimators without a network.",
            "tables.real",
            finished.is_real,
            data=finished.REAL_RECORDING,
        ),
        Artifact(
            "results",
            "table",
            "Results on held-out songs",
            "08_results",
            "Test scores of each target beside estimators without a network: uSDR is the mean over songs, cSDR "
            "the median of the pair target and residual (silence and the mixture have none), leakage the level "
            "where the target rests (-120: nothing).",
            "tables.results",
            any_of(finished.is_base, finished.is_baselines),
        ),
        Artifact(
            "table1",
            "table",
            "Table I, band splits",
            "08_results",
            "uSDR of vocals for each band split. The paper's rows, then those of this profile, then of the one that "
            "decides its claims, with the seeds that each was trained with; rows of different data or profiles must "
            "not be compared.",
            "tables.table1",
            finished.is_split,
            f"paper, Table I, and {OURS}",
            both=True,
        ),
        Artifact(
            "table3",
            "table",
            "Table III, comparison of systems",
            "08_results",
            "Published scores on MUSDB18 and MUSDB18-HQ, and ours on our data; rows of different data must not be "
            "compared, nor those of different profiles, which trained and scored on other songs and for other times. "
            "Our cSDR scores a target and its residual as a pair.",
            "tables.table3",
            finished.is_system,
            f"paper, Table III, replication (arXiv 2603.09187), and {OURS}",
            both=True,
        ),
        Artifact(
            "peers",
            "table",
            "Other systems on the same songs",
            "08_results",
            "Systems trained from scratch by the same loop: same items in the same order, loss, schedule, steps and "
            "seeds; sized so that a step takes about as long as BSRNN's. Above it: BSRNN minus the system, with its "
            "95 % interval over seeds and songs, or over songs alone where one seed was run. GFLOP: of one item "
            "forward; seconds of a machine that did two runs and other things at a time.",
            "peer_tables.peers",
            any_of(finished.is_base, finished.is_peer),
            essential=finished.is_peer,
            of_claims=True,
        ),
        Artifact(
            "rates",
            "table",
            "The learning rate of each system",
            "08_results",
            "Every system was tried with the same learning rates, on the first seed; what was best on the validation "
            "songs (mean uSDR in dB) was taken for all seeds.",
            "peer_tables.rates",
            finished.is_tried_with_rates,
            essential=finished.is_rate,
            of_claims=True,
        ),
        Artifact(
            "learning",
            "figure",
            "Learning curves of the systems",
            "08_results",
            "Mean uSDR of the validation songs against steps, and against the operations spent; a curve a seed.",
            "plots.learning",
            any_of(finished.is_base, finished.is_peer),
            songs=finished.validation_words,
            essential=finished.is_peer,
            of_claims=True,
        ),
        Artifact(
            "claims",
            "table",
            "The claims and what our results say to them",
            "08_results",
            "Effect: difference of the mean uSDR in dB, paired by seed and song; low and high: its interval over seeds "
            "and songs, by the two-way analysis of variance, at the level named: that of the five primary "
            "contrasts makes their tests against no difference hold together with 95 % (Holm). Detectable: the true "
            "effect that such an interval tells from 0 four times in five.",
            "claims.table",
            claims.ROLE,
            of_claims=True,
        ),
        Artifact(
            "contrasts",
            "figure",
            "The contrasts behind the claims",
            "08_results",
            "Mean difference of uSDR and its interval over seeds and songs, primary contrasts in bold; each point is a "
            "seed, the diamond the paper's own difference on its data, the dashed line the margin set beforehand.",
            "plots.contrasts",
            claims.ROLE,
            of_claims=True,
        ),
        Artifact(
            "details",
            "table",
            "What another choice does",
            "09_open_details",
            "One choice other than the base's, or than the finetuning's, trained or separated so with the same seeds: "
            "difference of the mean uSDR on the test songs in dB, with its 95 % interval over seeds and songs, or over "
            "songs alone where one seed was run; each interval by itself. Of this profile, and of the one that decides "
            "its claims.",
            "detail_tables.details",
            finished.any_of_details,
            essential=any_of(finished.is_open_choice, finished.is_variant),
            both=True,
        ),
        Artifact(
            "beyond",
            "table",
            "Beyond the paper",
            "09_open_details",
            "Models, splits and budgets that the paper does not have, against the base, as in the table above: "
            "difference of the mean uSDR in dB with its 95 % interval. Work: operations of one item forward, for every "
            "target that the model has, relative to the base.",
            "detail_tables.beyond",
            finished.is_beyond_or_its_base,
            essential=finished.is_beyond,
            of_claims=True,
        ),
        Artifact(
            "open_details",
            "table",
            "What the paper leaves open",
            "09_open_details",
            "What the paper, the authors' public code and the replication say, what is done here and which test holds "
            "it, and what another choice was measured to change.",
            "detail_tables.open_details",
            finished.any_of_details,
            source="paper, authors' public code, replication (arXiv 2603.09187), the configuration, and our runs",
            both=True,
        ),
        Artifact(
            "guitar_split",
            "figure",
            "A band split for the guitar",
            "12_guitar",
            "Above, the long-term spectrum of each song's guitar and the median of the rests', as the share of each "
            "third octave in the stem's power; below, the subbands of V7 and of the guitar split, with their numbers.",
            "guitar_tables.split",
            source=GUITAR,
            lacks="guitar_tables.lacks_spectra",
        ),
        Artifact(
            "guitar_songs",
            "table",
            "Guitar, song by song",
            "12_guitar",
            "uSDR in dB of each held-out song's middle minute.",
            "guitar_tables.songs",
            source=GUITAR,
            lacks="guitar_tables.lacks_scores",
        ),
        Artifact(
            "guitar",
            "table",
            "Guitar, means over songs",
            "12_guitar",
            "Means over the songs of the finished folds, for each way of holding songs out; last, the difference of "
            "the two splits, song by song, from four songs on with its 95 % bootstrap interval over songs, which knows "
            "nothing of seeds.",
            "guitar_tables.means",
            source=GUITAR,
            lacks="guitar_tables.lacks_scores",
        ),
    )
}


def get(artifact_id: str) -> Artifact:
    """An artifact by id; ConfigError names the others."""
    if artifact_id not in REGISTRY:
        raise ConfigError(f"unknown artifact {artifact_id!r}: expected one of {', '.join(REGISTRY)}")
    return REGISTRY[artifact_id]
