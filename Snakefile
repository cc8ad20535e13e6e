# The whole reproduction as a graph: data -> runs -> tables and figures -> notebooks -> book.
#
#     make reproduce PROFILE=quick        or, by hand, from the root of the clone:
#     snakemake --cores all --config profile=quick --rerun-triggers mtime params --rerun-incomplete
#     snakemake --profile clusters/slurm --config profile=paper device=cuda ...      on a cluster
#
# What there is to do is read from the registries (bsrnn.study.runs, bsrnn.report.chapters, book/_toc.yml); nothing is listed here.
# No source file is the input of a rule: a fresh clone has new times on every file and would plan everything anew.
# A run's key stands in its file's name, so a run whose file is there is done, whatever became of the data since.
from pathlib import Path

import yaml

from bsrnn.report import chapters
from bsrnn.runtime import paths, processes
from bsrnn.study import costs
from bsrnn.study.results import Study
from bsrnn.workflow import notebooks
from bsrnn.workflow import reproduce as project  # `workflow` is a name of Snakemake's own

PROFILE = config.get("profile", "quick")
DEVICE = config.get("device", "cpu")
PROCESSES = int(config.get("processes", 1))  # that train one model together, a GPU each
# not a parameter of the rule: how many trained a model is no reason to train it again
BSRNN = "bsrnn" if PROCESSES == 1 else f"torchrun --standalone --nproc-per-node {PROCESSES} --no-python bsrnn"
ROOT = paths.root()
RESULTS = paths.shown(paths.results(PROFILE))
STUDY = Study(PROFILE)
RUNS = {run.result_path().name.removesuffix(".json"): run for run in STUDY.grid.values()}
TABLES = [f"{RESULTS}/manifest.json"] + [
    paths.shown(path) for artifact in chapters.REGISTRY.values() for path in artifact.files(STUDY)
]
NOTEBOOKS = [f"{RESULTS}/notebooks/{chapter}.ipynb" for chapter in project.chapters()]
LIBRARY = project.content_hash(sorted(Path(ROOT, "bsrnn").rglob("*.py")))
PAGES = sorted(path for path in Path(ROOT, "book").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
BOOK = project.content_hash([ROOT / "_config.yml", *Path(ROOT, "benchmarks").glob("results.json"), *PAGES])


def result(run):
    return paths.shown(run.result_path())


def asked(name):
    """A resource of a run, from its settings."""
    return lambda wildcards: costs.asked(RUNS[wildcards.run], DEVICE, PROCESSES)[name]


def wanted_by_run(wildcards):
    """What a run starts from; nothing once it is done, so that missing songs do not call for it again."""
    run = RUNS[wildcards.run]
    if run.result_path().exists():
        return []
    return [project.data_stamp(PROFILE), *(result(STUDY.grid[need]) for need in run.needs)]


wildcard_constraints:
    run="[^/]+",
    chapter="[^/]+",


localrules:
    all,


rule all:
    input:  # each by name: Snakemake alone does not miss a file in the middle whose end product is there
        [result(run) for run in RUNS.values() if run.available()],
        TABLES,
        NOTEBOOKS,
        project.book_stamp(PROFILE),


rule data:
    output:
        touch(project.data_stamp(PROFILE)),
    threads: processes.cores()
    message:
        "songs of the data set"
    shell:
        "bsrnn data --profile {PROFILE}"


rule run:
    input:
        wanted_by_run,
    output:
        f"{RESULTS}/runs/{{run}}.json",
    params:
        id=lambda wildcards: RUNS[wildcards.run].id,
    threads: lambda wildcards: RUNS[wildcards.run].threads * PROCESSES
    resources:
        mem_mb=asked("mem_mb"),
        runtime=asked("runtime"),
        gpu=asked("gpu"),
    message:
        "run {params.id}"
    shell:
        "{BSRNN} run {params.id} --profile {PROFILE} --device {DEVICE}"


rule artifacts:
    input:
        [result(run) for run in RUNS.values() if run.available()],
    output:
        TABLES,
    params:
        library=LIBRARY,
    message:
        "tables and figures"
    shell:
        "bsrnn artifacts --profile {PROFILE}"


rule notebook:
    input:
        f"{RESULTS}/manifest.json",
    output:
        f"{RESULTS}/notebooks/{{chapter}}.ipynb",
    params:
        code=lambda wildcards: notebooks.code_hash(ROOT / "book" / f"{wildcards.chapter}.ipynb"),
        library=LIBRARY,
    message:
        "chapter {wildcards.chapter}"
    shell:
        "OMP_NUM_THREADS={threads} "
        "python -m bsrnn.workflow.notebooks book/{wildcards.chapter}.ipynb {output} -p profile {PROFILE}"


rule book:
    input:
        NOTEBOOKS,
    output:
        project.book_stamp(PROFILE),  # book/_ext writes it, for the profile that the pages were executed with
    params:
        text=BOOK,
        library=LIBRARY,
    message:
        "the book"
    shell:
        "python -m bsrnn.workflow.pages --profile {PROFILE} && "  # the chapters have run: the pages show those runs
        "BSRNN_PROFILE={PROFILE} jupyter-book build _build/executed --path-output ."
