"""Write every figure and table of a profile with their manifest, and the results in README.md."""

import hashlib
from pathlib import Path

import pandas as pd

from bsrnn.checkpoint import WEIGHTS
from bsrnn.errors import BSRNNError, ConfigError
from bsrnn.report import chapters, claim_findings, claims, figures, formats, levels, tables, trace
from bsrnn.runtime import paths
from bsrnn.runtime.files import atomic_write, read_json, write_json, write_text
from bsrnn.study import runs
from bsrnn.study.results import PUBLISHED, Results, Study

PROVENANCE = ("key", "train_key", "kind", "target", "seed", "change", "code", "stages", "versions", "device", "threads")
README_MARKS = ("<!-- results:start -->", "<!-- results:end -->")
README_PROFILE = "small"


def write_all(profile_name: str) -> dict:
    """Write every figure and table of a profile and results/<profile>/manifest.json; returns the manifest.

    A file that the last manifest lists and this one does not is removed.

    Raises:
        MissingResult: a run has no result; nothing is written then.
    """
    study = Study(profile_name)
    study.require_complete()
    folder, entries = paths.results(profile_name), {}
    for artifact in chapters.REGISTRY.values():
        if reason := artifact.left_out(study):
            print(reason)
            continue
        drawn, hashes = artifact.draw_for_a_file(study), {}
        told = trace.metadata(artifact, study)
        for path in artifact.files(study):
            if artifact.kind == "table":
                content = tables.csv_text(drawn).encode()
            else:
                content = figures.figure_bytes(drawn, path.suffix[1:], told)
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
            hashes[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
        entries[artifact.id] = {
            "title": artifact.title,
            "kind": artifact.kind,
            "chapter": artifact.chapter,
            "files": hashes,
            "runs": artifact.source.ids(study),
            "caption": artifact.caption(study),
        }
    gone = files_of(_last(folder)) - files_of(entries)
    manifest = {"profile": profile_name, "artifacts": entries, "runs": provenance(study)}
    manifest["checkpoints"] = checkpoints(profile_name)
    write_json(folder / "manifest.json", manifest)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    return manifest


def files_of(entries: dict) -> set[str]:
    """The files of a manifest's artifacts, seen from the profile's folder."""
    return {name for entry in entries.values() for name in entry["files"]}


def _last(folder: Path) -> dict:
    """The artifacts of the manifest that is there; none where there is no such file, or it is damaged."""
    try:
        entries = read_json(folder / "manifest.json")["artifacts"]
        return entries if files_of(entries) else {}
    except (BSRNNError, KeyError, TypeError, AttributeError):  # it is about to be written anew
        return {}


def checkpoints(profile_name: str) -> dict[str, str]:
    """Hash of each published model, by the name of its folder."""
    files = sorted(path for kind in PUBLISHED for path in (paths.results(profile_name) / kind).glob(f"*/{WEIGHTS}"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def provenance(study: Study) -> dict:
    """Of every run: key, code, versions, device, seed, seconds."""
    return {
        done.run.id: {field: done.result[field] for field in PROVENANCE}
        | {
            "file": f"runs/{done.run.result_path().name}",
            "train_seconds": round(done.training["seconds"], 1) if done.training else 0.0,
            "score_seconds": done.result["score_seconds"],
        }
        for done in Results(study, runs.ROLES).finished
    }


# ---- texts ----


def result_table(profile_name: str) -> str:
    """The main result as text for a terminal, with its provenance; a line that says so where a profile has none."""
    study, artifact = Study(profile_name), chapters.get("results")
    if reason := artifact.left_out(study):
        return reason
    text = short_results(study).to_string(index=False, na_rep="-", float_format="{:.2f}".format)
    return f"{artifact.title}\n{text}\n{artifact.source.stamp(study)}"


def short_results(study: Study):
    """Of the main result, the rows of all songs and the columns for a reader in a hurry."""
    table = chapters.get("results").draw(study)
    columns = ["target", "method", "usdr_mean", "csdr_median", "leakage_db_mean", "songs"]
    return tables.of_all_songs(table)[columns].rename(columns=formats.HEADINGS).reset_index(drop=True)


def readme_text(profile_name: str = README_PROFILE) -> str:
    """What README.md says of the results: what they say to the claims, and the scores; each with its source."""
    study = Study(profile_name)
    verdicts = claims.overview(study).drop(columns="profile")  # the line below says which
    parts = [levels.how_good(study), tables.to_markdown(verdicts), claims.beside(study)]
    parts += filter(None, [claim_findings.by_csdr(chapters.get("claims_csdr").draw(study))])
    parts += [chapters.get("claims").source.stamp(study)]
    parts += ["Mean uSDR in dB on held-out songs:", tables.to_markdown(scores_by_method(study))]
    return "\n\n".join([*parts, chapters.get("results").source.stamp(study)])


def scores_by_method(study: Study) -> pd.DataFrame:
    """Mean uSDR over all songs, a row for each target and a column for each method."""
    table = chapters.get("results").draw(study)
    table = tables.of_all_songs(table)
    wide = table.pivot(index="target", columns="method", values="usdr_mean")
    return wide.loc[table["target"].unique(), table["method"].unique()].rename_axis(columns=None).reset_index()


def readme_table(profile_name: str = README_PROFILE) -> str:
    """Fill README.md between its two marks; returns what now stands there.

    Raises:
        ConfigError: README.md lacks the marks.
    """
    path, (start, end) = paths.root() / "README.md", README_MARKS
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ConfigError(f"{path}: expected the lines {start} and {end} once each, in this order")
    body, before, after = readme_text(profile_name), text[: text.index(start)], text[text.index(end) :]
    write_text(path, f"{before}{start}\n{body}\n{after}")
    return body
