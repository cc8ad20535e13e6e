"""Figures and tables: choosing the profile to show, showing them in a notebook, writing them all with their manifest.

What there is stands in :mod:`bsrnn.report.catalogue`.
"""

import hashlib
import os

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.report.catalogue import REGISTRY, Artifact, get
from bsrnn.runtime import paths
from bsrnn.runtime.files import atomic_write, write_json, write_text
from bsrnn.study import profiles, runs
from bsrnn.study import results as finished
from bsrnn.study.results import Results

__all__ = [
    "REGISTRY",
    "Artifact",
    "get",
    "readme_table",
    "readme_text",
    "resolve_profile",
    "result_table",
    "show",
    "table_text",
    "write_all",
]
LARGEST_FIRST = ("paper", "recommended", "small", "previews", "quick", "tiny")
PROVENANCE = ("key", "train_key", "kind", "target", "seed", "change", "code", "stages", "versions", "device", "threads")
README_MARKS = ("<!-- results:start -->", "<!-- results:end -->")
README_PROFILE = "small"


def resolve_profile(name: str = "auto") -> str:
    """The profile whose results are shown: ``name``, or for "auto" BSRNN_PROFILE, else the largest complete one.

    Raises:
        ConfigError: unknown profile. MissingResult: none is complete; the message names the command.
    """
    if name == "auto":
        name = os.environ.get("BSRNN_PROFILE") or next(filter(runs.is_complete, LARGEST_FIRST), "")
    if not name:
        raise MissingResult("no profile has all its results: `make reproduce` computes those of the profile quick")
    return profiles.profile(name).name


# ---- showing ----


def show(artifact_id: str, profile_name: str) -> None:
    """Display a figure or table with its caption in a notebook; one line instead where the profile does not have it."""
    from IPython.display import HTML, Markdown, display

    from bsrnn.report import exhibits, markup

    artifact = get(artifact_id)
    if reason := artifact.left_out(profile_name):
        display(Markdown(reason))
        return
    drawn, caption = artifact.draw(profile_name), artifact.caption(profile_name)
    if artifact.kind == "figure":
        exhibits.show_figure(drawn, caption, identity=artifact.id)
        return
    table = f'<div style="overflow-x:auto">{markup.to_html(drawn, artifact.id)}</div>'
    display(HTML(f'<figure id="{artifact.id}" style="margin:1em 0">{table}{markup.caption(caption)}</figure>'))


# ---- writing ----


def write_all(profile_name: str) -> dict:
    """Write every figure and table of a profile and results/<profile>/manifest.json; returns the manifest.

    Raises:
        MissingResult: a run has no result; nothing is written then.
    """
    from bsrnn.report import exhibits

    finished.require_complete(profile_name)
    folder, entries = paths.results(profile_name), {}
    for artifact in REGISTRY.values():
        if reason := artifact.left_out(profile_name):
            print(reason)
            continue
        drawn, files = artifact.draw(profile_name), {}
        for path in artifact.paths(profile_name):
            content = (
                table_text(drawn).encode()
                if artifact.kind == "table"
                else exhibits.figure_bytes(drawn, path.suffix[1:])
            )
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
    manifest = {"profile": profile_name, "artifacts": entries, "runs": provenance(profile_name)}
    manifest["checkpoints"] = checkpoints(profile_name)
    write_json(folder / "manifest.json", manifest)
    return manifest


def checkpoints(profile_name: str) -> dict[str, str]:
    """Hash of each published model, by target."""
    files = sorted((paths.results(profile_name) / "checkpoints").glob("*/model.safetensors"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def table_text(table) -> str:
    """A table as CSV: four decimals at most, so that rounding noise changes no byte."""
    return table.round(4).to_csv(index=False, lineterminator="\n")


def provenance(profile_name: str) -> dict:
    """Of every run: key, code, versions, device, seed, seconds; those of the profile that decides the claims, too."""
    entries = {}
    for source in dict.fromkeys((profile_name, finished.claims_profile(profile_name))):
        before = "" if source == profile_name else f"{source}/"
        folder = "" if source == profile_name else f"../{source}/"
        for one in Results(source, lambda run: True).finished:
            entries[f"{before}{one.run.id}"] = {name: one.result[name] for name in PROVENANCE} | {
                "file": f"{folder}runs/{one.run.result_path().name}",
                "train_seconds": round(one.training["seconds"], 1) if one.training else 0.0,
                "score_seconds": one.result["score_seconds"],
            }
    return entries


def result_table(profile_name: str) -> str:
    """The main result as text for a terminal, with its provenance; a line that says so where a profile has none."""
    artifact = get("results")
    if reason := artifact.left_out(profile_name):
        return reason
    text = _short(profile_name).to_string(index=False, na_rep="-", float_format="{:.2f}".format)
    return f"{artifact.title}\n{text}\n{artifact.stamp(artifact.results(profile_name))}"


def _short(profile_name: str):
    from bsrnn.report import tables

    return tables.short_results(get("results").draw(profile_name))


def readme_text(profile_name: str = README_PROFILE) -> str:
    """What README.md says of the results: what they say to the claims, and the scores; each with its source."""
    from bsrnn.report import claims, markup

    of_claims, of_profile = (get(name).results(profile_name) for name in ("claims", "results"))
    parts = [markup.to_markdown(claims.overview(of_claims)), claims.beside(of_claims), get("claims").stamp(of_claims)]
    parts += [markup.to_markdown(_short(profile_name)), get("results").stamp(of_profile)]
    return "\n\n".join(parts)


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
