"""Hold committed or computed results against the registry and the manifest."""

import hashlib
import json
from pathlib import Path

from bsrnn import checkpoint
from bsrnn.errors import BSRNNError
from bsrnn.report import chapters, manifest, tables
from bsrnn.report.artifact import Artifact
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.study import runs
from bsrnn.study.results import PUBLISHED, Study
from bsrnn.study.runs import Run

KINDS = ("tables", "figures")  # folders of artifacts


def verify(profile_name: str) -> list[str]:
    """What is wrong with results/<profile>, one line each; [] if nothing is.

    Found are: runs without a result, results of a run or key that the registry does not have (stale or stray), results
    whose content contradicts their name, a missing manifest, files that are not as the manifest says, provenance in it
    that is not the results' own, tables that the results would now draw differently, artifacts that the manifest
    does not know, tables and figures that it does not list, and numbers in README.md that are not these. (`bsrnn
    verify` also computes first steps again, see :mod:`bsrnn.workflow.replay`.)

    Raises:
        ConfigError: unknown profile.
    """
    study, folder = Study(profile_name), paths.results(profile_name)
    problems = _verify_runs(study)
    if any(line.startswith(("missing", "damaged")) for line in problems):
        return problems  # what would be drawn from them cannot be compared
    written = read_json(folder / "manifest.json") if (folder / "manifest.json").is_file() else {}
    problems += _verify_checkpoints(study, written.get("checkpoints", {}))
    if written:
        problems += _verify_provenance(study, written.get("runs", {}))
        problems += _verify_artifacts(study, written["artifacts"])
    else:
        problems.append(
            f"missing: results/{profile_name}/manifest.json; `bsrnn artifacts --profile {profile_name}` writes it"
        )
    return problems + _verify_readme(profile_name)


def notes(profile_name: str) -> list[str]:
    """What is worth knowing and not wrong: trainings that did not get the arithmetic that their profile asks for."""
    study = Study(profile_name)
    results = [study.finished(run) for run in study.grid.values() if run.finished()]
    trained = {done.run.id: (done.training or {}).get("arithmetic", {}) for done in results}
    other = [run_id for run_id, got in trained.items() if got.get("asked") != got.get("got")]
    said = "trained in float32, as their machine has no bfloat16, which the profile asks for: "
    return [said + ", ".join(other)] if other else []


def _verify_runs(study: Study) -> list[str]:
    profile_name, grid = study.profile.name, study.grid
    expected = {run.result_path().name: run for run in grid.values()}
    # of a run that waits for computing time no result is asked for; one that somebody computed is as good as any
    known = {run.result_path().name: run for run in runs.planned(profile_name).values()}
    files = {path.name: path for path in sorted((paths.results(profile_name) / "runs").glob("*.json"))}
    problems = [
        f"missing: no result of run {run.id} ({name})"
        for name, run in expected.items()
        if name not in files and run.available()
    ]
    for name, path in files.items():
        if name in known:
            problems += _verify_content(path, known[name])
        elif any(name.startswith(f"{run.id}.") for run in known.values()):
            problems.append(
                f"stale: runs/{name} has another key than the registry's: its settings or data have changed"
            )
        else:
            run_id = name.rsplit(".", 2)[0]  # an id may have a dot itself: vocals-hop0.5-s0
            problems.append(f"stray: runs/{name} belongs to no run of profile {profile_name} ({run_id!r})")
    return problems


def _verify_content(path: Path, run: Run) -> list[str]:
    try:
        result = read_json(path)
    except BSRNNError as error:
        return [f"damaged: {error}"]
    wanted = {"id": run.id, "key": run.key, "train_key": run.train_key, "profile": run.profile.name}
    wrong = [name for name, value in wanted.items() if result.get(name) != value]
    return [f"stale: runs/{path.name} says another {' and '.join(wrong)} than the registry"] if wrong else []


def _verify_checkpoints(study: Study, recorded: dict) -> list[str]:
    """Published models are those of the runs, and the files that the manifest records."""
    folder, now = paths.results(study.profile.name), manifest.checkpoints(study.profile.name)
    problems = [
        f"changed: {name} is not the model that the manifest records"
        for name in sorted(recorded.keys() | now.keys())
        if recorded.get(name) != now.get(name)
    ]
    published = study.published()
    there = (path for kind in PUBLISHED for path in (folder / kind).glob(f"*/{checkpoint.WEIGHTS}"))
    for name in sorted(path.parent.relative_to(folder).as_posix() for path in there):
        if published and name not in published:
            problems.append(f"stray: {name} is no model that the profile publishes, and `bsrnn separate` may take it")
    for name, run in published.items():
        if Path(name).name in now and checkpoint.info_of(folder / name).get("train_key") != run.train_key:
            problems.append(f"stale: {name} is not the model of run {run.id}, which is to be published there")
    return problems


def _verify_provenance(study: Study, recorded: dict) -> list[str]:
    """What the manifest says of each run (keys, code, versions, device, seed, seconds) is what its result says."""
    now, problems = json.loads(json.dumps(manifest.provenance(study))), []
    for run_id in sorted(recorded.keys() | now.keys()):
        said, true = recorded.get(run_id, {}), now.get(run_id, {})
        if wrong := sorted(name for name in said.keys() | true.keys() if said.get(name) != true.get(name)):
            problems.append(f"stale: of run {run_id} the manifest says another {', '.join(wrong)} than its result")
    return problems


def _verify_artifacts(study: Study, recorded: dict) -> list[str]:
    problems = [
        f"stray: the manifest has {name!r}, the registry has not" for name in recorded if name not in chapters.REGISTRY
    ]
    folder, known = paths.results(study.profile.name), manifest.files_of(recorded)
    lying = sorted(path.relative_to(folder).as_posix() for kind in KINDS for path in (folder / kind).glob("*.*"))
    problems += [f"stray: {name} is of no artifact of this profile" for name in lying if name not in known]
    for artifact in chapters.REGISTRY.values():
        if artifact.left_out(study):
            continue
        if artifact.id in recorded:
            problems += _verify_artifact(study, artifact, recorded[artifact.id])
        else:
            problems.append(f"missing: {artifact.id} is not in the manifest")
    return problems


def _verify_artifact(study: Study, artifact: Artifact, recorded: dict) -> list[str]:
    """Tables are drawn again and compared; figures depend on fonts and are held against their hash alone."""
    problems, folder, runs = [], paths.results(study.profile.name), artifact.source.ids(study)
    if recorded["runs"] != runs:
        problems.append(f"stale: {artifact.id} was drawn from {recorded['runs']}, needs {runs}")
    for name, digest in recorded["files"].items():
        path = folder / name
        if not path.is_file():
            problems.append(f"missing: {name}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"changed: {name} is not the file that the manifest records")
        if artifact.kind == "table" and path.is_file():
            now = tables.csv_text(artifact.draw(study))
            if path.read_bytes() != now.encode():
                problems.append(f"changed: tables/{path.name} is not what the results give now")
    return problems


def _verify_readme(profile_name: str) -> list[str]:
    """README.md holds one profile's results."""
    path = paths.root() / "README.md"
    if profile_name != manifest.README_PROFILE or not path.is_file():
        return []
    if manifest.readme_text(profile_name) in path.read_text(encoding="utf-8"):
        return []
    command = "from bsrnn.report import manifest; manifest.readme_table()"
    return [f"changed: README.md has other results; `python -c '{command}'`"]
