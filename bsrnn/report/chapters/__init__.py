"""The figures and tables of the book, a module a chapter. The list of these modules is the registry, in its order."""

from bsrnn.errors import ConfigError
from bsrnn.report.artifact import Artifact
from bsrnn.report.chapters import (
    ch01_band_split,
    ch03_model,
    ch04_training,
    ch05_finetuning,
    ch06_separation_and_evaluation,
    ch07_real_recording,
    ch08_results,
    ch09_open_details,
    ch12_guitar,
    ch14_scale,
)

CHAPTERS = (
    ch01_band_split,
    ch03_model,
    ch04_training,
    ch05_finetuning,
    ch06_separation_and_evaluation,
    ch07_real_recording,
    ch08_results,
    ch09_open_details,
    ch12_guitar,
    ch14_scale,
)
REGISTRY: dict[str, Artifact] = {
    function.artifact.id: function.artifact
    for chapter in CHAPTERS
    for function in vars(chapter).values()
    if isinstance(getattr(function, "artifact", None), Artifact)
}


def get(artifact_id: str) -> Artifact:
    """An artifact by id; ConfigError names the others."""
    if artifact_id not in REGISTRY:
        raise ConfigError(f"unknown artifact {artifact_id!r}: expected one of {', '.join(REGISTRY)}")
    return REGISTRY[artifact_id]
