"""Execute one notebook with checked parameters: papermill, but strict.

papermill itself only warns about a parameter that the notebook does not know, and a workflow engine deletes what a
failed job has written. Here an unknown parameter is an error before anything runs, and a notebook that fails is kept
beside the place where its output would have stood, with its failing cell named.

    python -m bsrnn.workflow.notebooks book/01_band_split.ipynb out.ipynb -p profile quick

Run one process a notebook: kernels started in parallel from one process race for ports.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from bsrnn.errors import BSRNNError, ConfigError


class NotebookError(BSRNNError):
    """A notebook whose execution failed; the message names the cell and the copy that shows how far it came."""


def check_parameters(notebook: Path, parameters: dict) -> None:
    """Raise ConfigError for a parameter that the notebook's `parameters` cell does not set."""
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    for name in parameters:
        if name not in known:
            has = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"{notebook.name} has no parameter {name!r}: {has}")


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
    output.parent.mkdir(parents=True, exist_ok=True)
    failed = output.with_suffix(".failed.ipynb")
    running = output.with_suffix(".running.ipynb")  # papermill saves after every cell: never where a whole one belongs
    try:
        papermill.execute_notebook(
            str(notebook), str(running), parameters, kernel_name="python3", language="python",
            extra_arguments=["--log-level=ERROR"],  # the kernel's own log, which warns of its transport every time
        )
    except papermill.PapermillExecutionError as error:
        running.replace(failed)
        raise NotebookError(f"{notebook.name}: {_failing_cell(failed, error)}; see {failed}") from error
    except RuntimeError as error:  # the kernel died, of memory for example
        if running.exists():
            running.replace(failed)
        raise NotebookError(f"{notebook.name}: {error}; see {failed}") from error
    running.replace(output)
    failed.unlink(missing_ok=True)


def _failing_cell(executed: Path, error) -> str:
    """Name the cell by its place among the notebook's own cells and by its first line."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    own = [cell for cell in cells if "papermill-error-cell-tag" not in cell["metadata"].get("tags", [])
           and "injected-parameters" not in cell["metadata"].get("tags", [])]
    place = next((number for number, cell in enumerate(own, start=1)
                  if any(out["output_type"] == "error" for out in cell.get("outputs", []))), None)
    first_line = error.source.strip().splitlines()[0] if error.source.strip() else ""
    where = f"cell {place} of {len(own)}" if place else "the injected parameters"
    return f"{where} failed ({first_line!r}) with {error.ename}: {error.evalue}"


def code_hash(notebook: Path) -> str:
    """Hash of what a notebook computes: its code cells, without texts, outputs or metadata."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 only when every cell ran."""
    import yaml

    parser = argparse.ArgumentParser(prog="python -m bsrnn.workflow.notebooks", description="Execute one notebook, strictly.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                        help="a value for the notebook's parameters cell, read as YAML: quick, 3, true")
    options = parser.parse_args(arguments)
    try:
        execute(options.notebook, options.output, {name: yaml.safe_load(text) for name, text in options.parameters})
    except BSRNNError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
