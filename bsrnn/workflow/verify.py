"""Hold committed or computed results against the registry and the manifest."""

import hashlib
import json
from pathlib import Path

from bsrnn.errors import BSRNNError
from bsrnn.report import artifacts
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.study import profiles, runs
from bsrnn.study.results import Results, best_models


def verify(profile_name: str) -> list[str]:
    """What is wrong with results/<profile>, one line each; [] if nothing is.

    Found are: runs without a result, results of a run or key that the registry does not have (stale or stray), results
    whose content contradicts their name, a missing manifest, files that are not as the manifest says, provenance in it
    that is not the results' own, tables that the results would now draw differently, artifacts that the manifest
    does not know, and numbers in README.md that are not these. (`bsrnn verify` also computes first steps again, see
    :mod:`bsrnn.workflow.replay`.)

    Raises:
        ConfigError: unknown profile.
    """
    profiles.profile(profile_name)
    problems = _verify_runs(profile_name)
    if any(line.startswith(("missing", "damaged")) for line in problems):
        return problems  # what would be drawn from them cannot be compared
    return (
        problems
        + _verify_checkpoints(profile_name)
        + _verify_provenance(profile_name)
        + _verify_artifacts(profile_name)
        + _verify_readme(profile_name)
    )


def notes(profile_name: str) -> list[str]:
    """What is worth knowing and not wrong: trainings that did not get the arithmetic that their profile asks for."""
    results = Results(profile_name, lambda run: run.result_path().is_file()).finished
    trained = {one.run.id: (one.training or {}).get("arithmetic", {}) for one in results}
    other = [run_id for run_id, got in trained.items() if got.get("asked") != got.get("got")]
    said = "trained in float32, as their machine has no bfloat16, which the profile asks for: "
    return [said + ", ".join(other)] if other else []


def _verify_runs(profile_name: str) -> list[str]:
    grid = runs.grid(profile_name)
    expected = {run.result_path().name: run for run in grid.values()}
    there = {path.name: path for path in sorted((paths.results(profile_name) / "runs").glob("*.json"))}
    problems = [
        f"missing: no result of run {run.id} ({name})"
        for name, run in expected.items()
        if name not in there and run.available()
    ]
    for name, path in there.items():
        run_id = name.split(".")[0] if name not in expected else expected[name].id
        if name in expected:
            problems += _verify_content(path, expected[name])
        elif any(name.startswith(f"{known}.") for known in grid):
            problems.append(
                f"stale: runs/{name} has another key than the registry's: its settings or data have changed"
            )
        else:
            problems.append(f"stray: runs/{name} belongs to no run of profile {profile_name} ({run_id!r})")
    return problems


def _verify_content(path: Path, run: runs.Run) -> list[str]:
    try:
        result = read_json(path)
    except BSRNNError as error:
        return [f"damaged: {error}"]
    wanted = {"id": run.id, "key": run.key, "train_key": run.train_key, "profile": run.profile.name}
    wrong = [name for name, value in wanted.items() if result.get(name) != value]
    return [f"stale: runs/{path.name} says another {' and '.join(wrong)} than the registry"] if wrong else []


def _verify_checkpoints(profile_name: str) -> list[str]:
    """Published models are those of the runs, and the files that the manifest records."""
    folder = paths.results(profile_name)
    recorded = (
        read_json(folder / "manifest.json").get("checkpoints", {}) if (folder / "manifest.json").is_file() else {}
    )
    now = artifacts.checkpoints(profile_name)
    problems = [
        f"changed: checkpoints/{target} is not the model that the manifest records"
        for target in sorted(recorded.keys() | now.keys())
        if recorded.get(target) != now.get(target)
    ]
    for target, run in best_models(profile_name).items():
        if target in now:
            info = read_json(folder / "checkpoints" / target / "config.json")["info"]
            if info.get("train_key") != run.train_key:
                problems.append(f"stale: checkpoints/{target} is not the model of run {run.id}, the best on validation")
    return problems


def _verify_provenance(profile_name: str) -> list[str]:
    """What the manifest says of each run (keys, code, versions, device, seed, seconds) is what its result says."""
    path = paths.results(profile_name) / "manifest.json"
    if not path.is_file():
        return []  # said elsewhere
    recorded, now = read_json(path).get("runs", {}), json.loads(json.dumps(artifacts.provenance(profile_name)))
    problems = []
    for run_id in sorted(recorded.keys() | now.keys()):
        one, other = recorded.get(run_id, {}), now.get(run_id, {})
        if wrong := sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)):
            problems.append(f"stale: of run {run_id} the manifest says another {', '.join(wrong)} than its result")
    return problems


def _verify_artifacts(profile_name: str) -> list[str]:
    folder = paths.results(profile_name)
    if not (folder / "manifest.json").is_file():
        return [f"missing: results/{profile_name}/manifest.json; `bsrnn artifacts --profile {profile_name}` writes it"]
    manifest = read_json(folder / "manifest.json")["artifacts"]
    problems = [
        f"stray: the manifest has {name!r}, the registry has not" for name in manifest if name not in artifacts.REGISTRY
    ]
    for artifact in artifacts.REGISTRY.values():
        if artifact.left_out(profile_name):
            continue
        if artifact.id not in manifest:
            problems.append(f"missing: {artifact.id} is not in the manifest")
            continue
        entry = manifest[artifact.id]
        if entry["runs"] != artifact.runs(profile_name):
            problems.append(f"stale: {artifact.id} was drawn from {entry['runs']}, needs {artifact.runs(profile_name)}")
        for name, recorded in entry["files"].items():
            path = folder / name
            if not path.is_file():
                problems.append(f"missing: {name}")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != recorded:
                problems.append(f"changed: {name} is not the file that the manifest records")
        problems += _verify_table(artifact, profile_name)
    return problems


def _verify_table(artifact: artifacts.Artifact, profile_name: str) -> list[str]:
    """Tables are drawn again and compared; figures depend on fonts and are held against their hash alone."""
    if artifact.kind != "table":
        return []
    path, now = artifact.paths(profile_name)[0], artifacts.table_text(artifact.draw(profile_name))
    if path.is_file() and path.read_bytes() != now.encode():
        return [f"changed: tables/{path.name} is not what the results give now"]
    return []


def _verify_readme(profile_name: str) -> list[str]:
    """README.md holds one profile's results."""
    path = paths.root() / "README.md"
    if profile_name != artifacts.README_PROFILE or not path.is_file():
        return []
    if artifacts.readme_text(profile_name) in path.read_text(encoding="utf-8"):
        return []
    command = "from bsrnn.report import artifacts; artifacts.readme_table()"
    return [f"changed: README.md has other results; `python -c '{command}'`"]
