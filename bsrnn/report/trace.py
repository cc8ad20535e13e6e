"""From a figure or table to what it was made of: its runs, their code, the command that draws it again, its files.

The folded list below a figure leads to files that the site carries: book/_ext/traceable.py lays the results and the
library's source beside the pages, at the places that :func:`of_result` and :func:`of_source` name.
"""

import html
import inspect
from pathlib import Path

from bsrnn.report.artifact import Artifact
from bsrnn.runtime import paths
from bsrnn.runtime.provenance import code_state
from bsrnn.study import runs
from bsrnn.study.results import Study
from bsrnn.study.runs import Run

SHORT = 12  # characters of a commit's hash
SUMMARY = "Where this comes from"


def of_result(path: Path) -> str:
    """Where a file of results/ lies in the site, seen from a page."""
    return path.relative_to(paths.root()).as_posix()


def of_source(path: Path, line: int = 0) -> str:
    """Where the page of a file of the library lies in the site, seen from a page."""
    place = f"source/{_in_library(path).with_suffix('.html').as_posix()}"
    return f"{place}#line-{line}" if line else place


def folded(artifact: Artifact, study: Study) -> str:
    """The list below a figure or table, as HTML that opens."""
    sources = artifact.source.runs(study)
    entries = {
        "runs": _runs(sources),
        "their code": _code(sources),
        "drawn by": _function(artifact),
        "drawn again by": f"<code>bsrnn artifacts --profile {study.profile.name}</code>",
        "drawn from commit": html.escape(_commit(code_state())),
        "files": _files(artifact, study),
    }
    lines = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in entries.items() if words)
    return f'<details class="trace"><summary>{SUMMARY}</summary><dl>{lines}</dl></details>'


def metadata(artifact: Artifact, study: Study) -> dict[str, str]:
    """What a picture's file says of itself, in the words of Dublin Core that SVG has: title, source, runs, command."""
    place, _ = _place(artifact)
    told = {
        "Title": artifact.title,
        "Description": artifact.caption(study),
        "Source": f"{artifact.function.__name__} in {place.as_posix()}; bsrnn artifacts --profile {study.profile.name}",
        "Identifier": artifact.id,
    }
    files = [of_result(run.result_path()) for run in artifact.source.runs(study)]
    return told | ({"Relation": "; ".join(files)} if files else {})


def _runs(sources: list[Run]) -> str:
    """Every run with a link to its JSON; those that differ in the seed alone on one line."""
    alike: dict[tuple[str, str], list[Run]] = {}
    for run in sources:
        alike.setdefault((run.profile.name, run.without_seed), []).append(run)
    lines = []
    for (profile_name, name), of_name in alike.items():
        links = ", ".join(_link(of_result(run.result_path()), f"seed {run.seed}", f"key {run.key}") for run in of_name)
        lines.append(f"<li>{html.escape(profile_name)}: {html.escape(name)}: {links}</li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _link(place: str, words: str, more: str = "") -> str:
    title = f' title="{html.escape(more)}"' if more else ""
    return f'<a href="{html.escape(place)}"{title}>{html.escape(words)}</a>'


def _code(sources: list[Run]) -> str:
    """The commits that computed the runs; older results name the hash of the modules instead."""
    said = [runs.load(run)["code"] for run in sources if run.finished()]
    commits = dict.fromkeys(_commit(code) if "commit" in code else f"modules {code['train']}" for code in said)
    return html.escape(", ".join(commits))


def _commit(code: dict) -> str:
    if not code["commit"]:
        return "not a git checkout"
    return code["commit"][:SHORT] + (", with changes" if code["dirty"] else "")


def _place(artifact: Artifact) -> tuple[Path, int]:
    """File, from the root of a clone, and line of the function that draws."""
    _, line = inspect.getsourcelines(artifact.function)
    return _in_library(Path(inspect.getfile(artifact.function))), line


def _in_library(path: Path) -> Path:
    return path.resolve().relative_to(paths.package().parent)


def _function(artifact: Artifact) -> str:
    place, line = _place(artifact)
    words = f"{artifact.function.__name__}, {place.as_posix()}:{line}"
    return _link(of_source(paths.package().parent / place, line), words)


def _files(artifact: Artifact, study: Study) -> str:
    files = [path for path in artifact.files(study) if path.is_file() and path.suffix in (".csv", ".svg")]
    return ", ".join(_link(of_result(path), path.name) for path in files)
