"""The registry of figures and tables: what each shows, which runs it needs, and the function that draws it.

An artifact is drawn from the JSON of finished runs and from data/published, and from nothing else: a figure never
computes. Each says on itself which data, profile and seeds its numbers come from, and whether they carry a claim.
"""

import base64
import hashlib
import html
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bsrnn import config, paths, runs, stages
from bsrnn import results as finished
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.files import atomic_write, write_json
from bsrnn.results import OURS, Results, Role, any_of

LARGEST_FIRST = ("paper", "recommended", "small", "previews", "quick", "tiny")
README_MARKS = ("<!-- results:start -->", "<!-- results:end -->")


@dataclass(frozen=True)
class Artifact:
    """One figure or table.

    kind: "figure" or "table". about: what it shows, one or two sentences. maker: "module.function" that draws it from
    :class:`bsrnn.results.Results`. role: which runs of the grid it needs; None: it is drawn from the configuration.
    chapter: the notebook that shows it.
    """

    id: str
    kind: str
    title: str
    chapter: str
    about: str
    maker: str
    role: Role | None = None
    source: str = OURS
    data: str | None = None  # what was scored, where it is not the profile's songs
    songs: Callable[[Results], str] = finished.test_words  # how many songs stand behind the numbers, in words

    def runs(self, profile_name: str) -> list[str]:
        """Ids of the runs that it needs, read from the grid; without those that this machine can neither find nor compute."""
        grid = runs.grid(profile_name)
        return [run.id for run in grid.values() if self.role and self.role(run) and finished.present(run)]

    def left_out(self, profile_name: str) -> str:
        """Why a profile does not have this artifact, in one line; "" if it has."""
        if self.role is None or self.runs(profile_name):
            return ""
        wanted = any(self.role(run) for run in runs.grid(profile_name).values())
        reason = "its runs need ffmpeg, which is not installed here" if wanted else "the profile has no such runs"
        return f"Left out: {self.id} ({self.title}) in profile {profile_name}: {reason}."

    def results(self, profile_name: str) -> Results:
        """What it is drawn from. Raises MissingResult, naming the command, where a run has no result."""
        return Results(profile_name, self.role)

    def draw(self, profile_name: str):
        """The matplotlib Figure, or the pandas DataFrame.

        Raises:
            MissingResult: a run has no result, or this profile does not have the artifact.
        """
        if reason := self.left_out(profile_name):
            raise MissingResult(reason)
        results = self.results(profile_name)
        drawn = _maker(self.maker)(results)
        if self.kind == "figure":
            from bsrnn import plots

            plots.add_footer(drawn, self.stamp(results))
        return drawn

    def paths(self, profile_name: str) -> list[Path]:
        """Files that :func:`write_all` writes; none where the profile does not have the artifact."""
        if self.left_out(profile_name):
            return []
        folder = paths.results(profile_name)
        if self.kind == "table":
            return [folder / "tables" / f"{self.id}.csv"]
        return [folder / "figures" / f"{self.id}.{ending}" for ending in ("svg", "png")]

    def stamp(self, results: Results) -> str:
        """Source, data, profile, seeds, songs and claim in one line."""
        return finished.stamp(results, self.source, self.data, self.songs)

    def caption(self, profile_name: str) -> str:
        """Title, what it shows, and where its numbers come from."""
        return f"{self.title}. {self.about} {self.stamp(self.results(profile_name))}"


def _maker(name: str) -> Callable:
    """Imported when it is drawn: matplotlib and pandas are an extra."""
    import importlib

    module, function = name.split(".")
    return getattr(importlib.import_module(f"bsrnn.{module}"), function)


FROM_CONFIG = "drawn from the configuration"
REGISTRY: dict[str, Artifact] = {
    artifact.id: artifact
    for artifact in (
        Artifact(
            "bands",
            "figure",
            "Band splits",
            "01_band_split",
            "Every split of Section V-A against frequency; each box is one subband, a number its count.",
            "diagrams.bands",
            source=FROM_CONFIG,
        ),
        Artifact(
            "fig1",
            "figure",
            "Figure 1, the band-split RNN",
            "03_model",
            "(A) the pipeline, (B) band split, (C) band and sequence modelling, (D) mask estimation, with the numbers of "
            "bands and the shapes that the vocals model of this profile has.",
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
            "fig2",
            "figure",
            "Figure 2, semi-supervised sampling",
            "05_finetuning",
            "How one training item of the finetuning is drawn from labelled and unlabelled songs.",
            "diagrams.sampling",
            source=FROM_CONFIG,
        ),
        Artifact(
            "finetuning_counts",
            "table",
            "What the energy rules found",
            "05_finetuning",
            "How many unlabelled chunks became a clean target, a clean residual or two pseudo labels, and how many clean "
            "pairs came from labelled songs.",
            "tables.finetuning_counts",
            finished.is_finetuned,
            songs=finished.unlabelled_words,
        ),
        Artifact(
            "finetuning",
            "figure",
            "Finetuning curves",
            "05_finetuning",
            "Mean uSDR of the validation songs while the model is finetuned, beside the control that sees labelled songs "
            "only; a triangle marks the student's taking the teacher's place, the dashed line is the start.",
            "plots.finetuning",
            any_of(finished.is_finetuned, finished.is_control),
            songs=finished.validation_words,
        ),
        Artifact(
            "finetuning_gain",
            "table",
            "Gain of the finetuning",
            "05_finetuning",
            "Test scores before and after finetuning, and of the control with the same steps on labelled songs only.",
            "tables.finetuning_gain",
            any_of(finished.is_start, finished.is_finetuned, finished.is_control),
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
            "uSDR of every test song beside estimators without a network; songs sorted by the model's score, those with "
            "the training songs' timbres apart from those with new ones.",
            "plots.songs",
            any_of(finished.is_base, finished.is_baselines),
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
            "Test scores of each target beside estimators without a network: uSDR is the mean over songs, cSDR the median of the "
            "pair target and residual (silence and the mixture have none), leakage what is heard where the target rests.",
            "tables.results",
            any_of(finished.is_base, finished.is_baselines),
        ),
        Artifact(
            "table1",
            "table",
            "Table I, band splits",
            "08_results",
            "uSDR of vocals for each band split.",
            "tables.table1",
            finished.is_split,
            f"paper, Table I, and {OURS}",
        ),
        Artifact(
            "table3",
            "table",
            "Table III, comparison of systems",
            "08_results",
            "Published scores on MUSDB18 and MUSDB18-HQ, and ours on our data; rows of different data must not be "
            "compared. Our cSDR scores a target and its residual as a pair.",
            "tables.table3",
            any_of(finished.is_base, finished.is_baselines, finished.is_finetuned),
            f"paper, Table III, replication (arXiv 2603.09187), and {OURS}",
        ),
    )
}


def get(artifact_id: str) -> Artifact:
    """An artifact by id; ConfigError names the others."""
    if artifact_id not in REGISTRY:
        raise ConfigError(f"unknown artifact {artifact_id!r}: expected one of {', '.join(REGISTRY)}")
    return REGISTRY[artifact_id]


def resolve_profile(name: str = "auto") -> str:
    """The profile whose results are shown: ``name``, or for "auto" BSRNN_PROFILE, else the largest complete one.

    Raises:
        ConfigError: unknown profile. MissingResult: none is complete; the message names the command.
    """
    if name == "auto":
        name = os.environ.get("BSRNN_PROFILE") or next(filter(runs.is_complete, LARGEST_FIRST), "")
    if not name:
        raise MissingResult("no profile has all its results: `make reproduce` computes those of the profile quick")
    return config.profile(name).name


# ---- showing ----


def show(artifact_id: str, profile_name: str) -> None:
    """Display a figure or table with its caption in a notebook; one line instead where the profile does not have it."""
    from IPython.display import HTML, Markdown, display

    artifact = get(artifact_id)
    if reason := artifact.left_out(profile_name):
        display(Markdown(reason))
        return
    drawn, caption = artifact.draw(profile_name), html.escape(artifact.caption(profile_name))
    if artifact.kind == "figure":
        data = base64.b64encode(_figure_bytes(drawn, "svg")).decode()
        # an image, not inline SVG: two figures on one page must not share the ids of their clip paths
        body = f'<img src="data:image/svg+xml;base64,{data}" alt="{caption}" style="max-width:100%;background:white"/>'
    else:
        from bsrnn import tables

        body = f'<div style="overflow-x:auto">{tables.to_html(drawn, artifact.id)}</div>'
    display(HTML(f'<figure id="{artifact.id}" style="margin:1em 0">{body}<figcaption>{caption}</figcaption></figure>'))


def _figure_bytes(figure, ending: str) -> bytes:
    """The same figure gives the same bytes: no date, no random ids."""
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "bsrnn", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=ending, metadata=metadata, dpi=150)
    return buffer.getvalue()


# ---- writing ----


def write_all(profile_name: str) -> dict:
    """Write every figure and table of a profile and results/<profile>/manifest.json; returns the manifest.

    Raises:
        MissingResult: a run has no result; nothing is written then.
    """
    finished.require_complete(profile_name)
    folder, entries = paths.results(profile_name), {}
    for artifact in REGISTRY.values():
        if reason := artifact.left_out(profile_name):
            print(reason)
            continue
        drawn, files = artifact.draw(profile_name), {}
        for path in artifact.paths(profile_name):
            content = table_text(drawn).encode() if artifact.kind == "table" else _figure_bytes(drawn, path.suffix[1:])
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
            files[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
        entries[artifact.id] = {
            "title": artifact.title,
            "kind": artifact.kind,
            "chapter": artifact.chapter,
            "files": files,
            "runs": artifact.runs(profile_name),
            "caption": artifact.caption(profile_name),
        }
    manifest = {"profile": profile_name, "artifacts": entries, "runs": _provenance(profile_name)}
    write_json(folder / "manifest.json", manifest)
    return manifest


def table_text(table) -> str:
    """A table as CSV: four decimals at most, so that rounding noise changes no byte."""
    return table.round(4).to_csv(index=False, lineterminator="\n")


def _provenance(profile_name: str) -> dict:
    """Of every run: key, code, versions, device, seed, seconds."""
    entries = {}
    for one in Results(profile_name, lambda run: True).finished:
        kept = (
            "key",
            "train_key",
            "kind",
            "target",
            "seed",
            "change",
            "code",
            "stages",
            "versions",
            "device",
            "threads",
        )
        entries[one.run.id] = {name: one.result[name] for name in kept} | {
            "file": f"runs/{one.run.result_path().name}",
            "train_seconds": round(one.training["seconds"], 1) if one.training else 0.0,
            "score_seconds": one.result["score_seconds"],
        }
    return entries


def result_table(profile_name: str) -> str:
    """The main result as text for a terminal, with its provenance."""
    artifact = get("results")
    text = _short(profile_name).to_string(index=False, na_rep="-", float_format="{:.2f}".format)
    return f"{artifact.title}\n{text}\n{artifact.stamp(artifact.results(profile_name))}"


def _short(profile_name: str):
    from bsrnn import tables

    return tables.short_results(get("results").draw(profile_name))


def readme_table(profile_name: str = "small") -> str:
    """Fill the result table of README.md between its two marks; returns what now stands there.

    Raises:
        ConfigError: README.md lacks the marks.
    """
    from bsrnn import tables

    path, (start, end) = paths.root() / "README.md", README_MARKS
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ConfigError(f"{path}: expected the lines {start} and {end} once each, in this order")
    artifact = get("results")
    body = f"{tables.to_markdown(_short(profile_name))}\n\n{artifact.stamp(artifact.results(profile_name))}"
    before, after = text[: text.index(start)], text[text.index(end) :]
    with atomic_write(path) as temporary:
        temporary.write_text(f"{before}{start}\n{body}\n{after}", encoding="utf-8")
    return body


def code_notes(profile_name: str) -> list[str]:
    """Runs whose stage's source has changed since, without a new version of the stage."""
    notes = []
    for one in Results(profile_name, lambda run: run.result_path().is_file()).finished:
        changed = [stage for stage, code in one.result["code"].items() if code != stages.code_hash(stage)]
        if changed:
            notes.append(
                f"{one.run.id}: the code of {' and '.join(changed)} has changed since this result was computed"
            )
    return notes
