"""Execute one notebook with checked parameters: papermill, but strict.

papermill itself only warns about a parameter that the notebook does not know, and a workflow engine deletes what a
failed job has written. Here an unknown parameter is an error before anything runs, and a notebook that fails is kept
beside the place where its output would have stood, with its failing cell named.

    python -m bsrnn.workflow.notebooks book/01_band_split.ipynb out.ipynb -p profile quick

Run one process a notebook: kernels started in parallel from one process race for ports.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from bsrnn.errors import BSRNNError, ConfigError
from bsrnn.runtime import terminal
from bsrnn.runtime.files import make_folder
from bsrnn.runtime.paths import enclosing, place
from bsrnn.tool.options import Parser


class NotebookError(BSRNNError):
    """A notebook whose execution failed; the message names the cell and the copy that shows how far it came."""


def check_parameters(notebook: Path, parameters: dict) -> None:
    """Raise ConfigError for a parameter that the notebook's `parameters` cell does not set."""
    import papermill

    _check_notebook(notebook)
    known = papermill.inspect_notebook(str(notebook))
    for name in parameters:
        if name not in known:
            has = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"{notebook.name} has no parameter {name!r}: {has}")


def _check_notebook(path: Path) -> None:
    from nbformat.validator import iter_validate

    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # neither text nor JSON
        raise ConfigError(f"{path} is no notebook: expected JSON, as in an .ipynb file ({error})") from error
    version = [notebook.get(name) for name in ("nbformat", "nbformat_minor")] if isinstance(notebook, dict) else [None]
    if version[0] != 4 or type(version[1]) is not int:
        raise ConfigError(f"{path} is no notebook: expected JSON with cells and nbformat 4, as in an .ipynb file")
    problems = [error.message for error in iter_validate(notebook, version=4, version_minor=version[1])]
    problems = [words for words in problems if words != "'id' is a required property"]  # older tools leave it out
    if problems:
        raise ConfigError(f"{path} is no notebook that Jupyter takes: {problems[0]}")


def execute(notebook: Path, output: Path, parameters: dict) -> None:
    """Run ``notebook`` with ``parameters`` and write the executed copy to ``output``.

    The copy appears at ``output`` only when every cell has run. Otherwise it stays beside it, as
    ``<name>.failed.ipynb``, and NotebookError says which cell failed and why.
    """
    import papermill

    notebook, output = Path(notebook), Path(output)
    if not notebook.is_file():
        raise ConfigError(f"no notebook at {notebook}")
    check_parameters(notebook, parameters)
    make_folder(output.parent)
    if output.is_dir():
        raise ConfigError(f"{output} is a folder: expected a file for the executed notebook")
    failed = output.with_suffix(".failed.ipynb")
    running = output.with_suffix(".running.ipynb")  # papermill saves after every cell: never where a whole one belongs
    try:
        executed = papermill.execute_notebook(
            str(notebook),
            str(running),
            parameters,
            kernel_name="python3",
            language="python",
            extra_arguments=["--log-level=ERROR"],  # the kernel's own log, which warns of its transport every time
        )
    except papermill.PapermillExecutionError as error:
        running.replace(failed)
        raise NotebookError(f"{notebook.name}: {_failing_cell(failed, error)}; see {failed}") from error
    except RuntimeError as error:  # the kernel died, of memory for example
        if running.exists():
            running.replace(failed)
        raise NotebookError(f"{notebook.name}: {error}; see {failed}") from error
    if (last := _stopped_at(executed["cells"])) is not None:
        running.replace(failed)
        where = _named(executed["cells"], last, "ended the run")
        raise NotebookError(f"{notebook.name}: {where}, and the code after it never ran; see {failed}")
    running.replace(output)
    failed.unlink(missing_ok=True)


def _stopped_at(cells: list[dict]) -> int | None:
    """The cell after which code was left that never ran; papermill takes `sys.exit()` for an end that was meant."""
    pending = [cell["metadata"]["papermill"]["status"] == "pending" for cell in cells]
    left = [cell for cell, waits in zip(cells, pending, strict=True) if waits and cell["cell_type"] == "code"]
    return pending.index(True) - 1 if any(cell["source"].strip() for cell in left) else None


def _failing_cell(executed: Path, error) -> str:
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    cells = [cell for cell in cells if "papermill-error-cell-tag" not in cell["metadata"].get("tags", [])]
    return f"{_named(cells, error.cell_index, 'failed')} with {error.ename}: {error.evalue}"


def _named(cells: list[dict], index: int, did: str) -> str:
    """What a cell did, with its place among the notebook's own cells and its first line."""
    own = ["injected-parameters" not in cell["metadata"].get("tags", []) for cell in cells]
    where = f"cell {sum(own[: index + 1])} of {sum(own)}" if own[index] else "the injected parameters"
    first_line = "".join(cells[index]["source"]).strip().partition("\n")[0]
    return f"{where} {did} ({first_line!r})"


def code_hash(notebook: Path) -> str:
    """Hash of what a notebook computes: its code cells, without texts, outputs or metadata."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def _value(name: str, text: str):
    """A parameter's value, written as YAML."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        why = getattr(error, "problem", None) or "not readable"
        raise ConfigError(f"got -p {name} {text!r}, no YAML ({why}): expected quick, 3, true or [1, 2]") from error
    if not isinstance(value, str | int | float | bool | list | dict | None):
        raise ConfigError(f"got -p {name} {text!r}, which YAML reads as a {type(value).__name__}: put it in quotes")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 only when every cell ran."""
    parser = Parser(prog="python -m bsrnn.workflow.notebooks", description="Execute one notebook, strictly.")
    parser.add_argument("notebook", type=place)
    parser.add_argument("output", type=place)
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a value for the notebook's parameters cell, read as YAML: quick, 3, true",
    )
    options = parser.parse_args(arguments)
    project = enclosing(options.notebook.parent)
    if project and not enclosing(Path.cwd()):  # started elsewhere: the notebook's own project is meant
        os.environ.setdefault("BSRNN_ROOT", str(project))
    with terminal.Command("error", "no notebook was written; the same command starts anew") as command:
        execute(options.notebook, options.output, {name: _value(name, text) for name, text in options.parameters})
    return command.code


if __name__ == "__main__":
    sys.exit(main())
