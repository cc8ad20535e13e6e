"""The book's source with the outputs that papermill computed, so that no chapter is executed twice.

``make reproduce`` executes every chapter with the profile's results and keeps the copies. Here the pages of ``book/``
come together with what those copies show, in a folder that Jupyter Book builds without executing any of them:

    python -m bsrnn.workflow.pages --profile quick
    BSRNN_PROFILE=quick jupyter-book build _build/executed --path-output .

The folder is made anew each time. ``jupyter-book build book/`` knows nothing of it and executes the chapters itself.
"""

import json
import shutil
import sys
from pathlib import Path

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.runtime import paths, terminal
from bsrnn.runtime.files import make_folder, write_text
from bsrnn.runtime.system_errors import writing
from bsrnn.tool.options import Parser
from bsrnn.workflow import reproduce

NOT_PAGES = ("_ext", "__pycache__", ".ipynb_checkpoints")


def assemble(profile: str) -> Path:
    """Lay together the pages of ``book/`` and the outputs of the profile's executed chapters; the folder of them.

    Raises:
        MissingResult: a chapter of the table of contents has not been executed with this profile.
        ConfigError: a chapter's code is another one now than when it was executed.
    """
    book, folder = paths.root() / "book", paths.root() / "_build" / "executed"
    copies = paths.results(profile) / "notebooks"
    pages = {name: with_outputs(book / f"{name}.ipynb", copies / f"{name}.ipynb") for name in reproduce.chapters()}
    make_folder(folder.parent)
    with writing(folder):
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(book, folder, ignore=shutil.ignore_patterns(*NOT_PAGES, "*.ipynb"))
    for name, notebook in pages.items():
        write_text(folder / f"{name}.ipynb", json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / paths.MARK, _settings())
    return folder


def with_outputs(page: Path, executed: Path) -> dict:
    """A chapter's notebook with the outputs of its executed copy.

    The texts are the chapter's own: they may have been reworded since, which is no reason to compute again. The cell
    with the parameters that papermill has put in is none of the page's.
    """
    if not executed.is_file():
        raise MissingResult(f"no executed chapter at {executed}: make reproduce makes it, or python -m "
                            f"bsrnn.workflow.notebooks book/{page.name} {paths.shown(executed)}")  # fmt: skip
    notebook, copy = (json.loads(path.read_text(encoding="utf-8")) for path in (page, executed))
    own, ran = _code_cells(notebook), _code_cells(copy)
    if [_source(cell) for cell in own] != [_source(cell) for cell in ran]:
        raise ConfigError(f"{executed} was executed from other code than {page} has now: remove it and run "
                          "make reproduce again")  # fmt: skip
    for cell, computed in zip(own, ran, strict=True):
        cell |= {"outputs": computed["outputs"], "execution_count": computed["execution_count"]}
    kernel = {name: value for name, value in copy["metadata"].items() if name != "papermill"}
    return {**notebook, "metadata": {**notebook["metadata"], **kernel}}


def _code_cells(notebook: dict) -> list[dict]:
    """The code cells that are the author's."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell["metadata"].get("tags", [])]


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def _settings() -> str:
    """Jupyter Book's settings for the assembled folder: no notebook is executed, and book/_ext is found from there.

    A text with a cell of code in it (index.md) is no notebook that papermill takes: it is executed for the build.
    """
    import yaml

    root = paths.root()
    settings = yaml.safe_load((root / paths.MARK).read_text(encoding="utf-8"))
    settings["execute"]["exclude_patterns"] = ["*.ipynb"]
    extensions = settings.get("sphinx", {}).get("local_extensions", {})
    extensions |= {name: str(root / place) for name, place in extensions.items()}
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the assembling."""
    parser = Parser(prog="python -m bsrnn.workflow.pages", description="Lay the executed chapters into the book.")
    parser.add_argument("--profile", default="quick")
    options = parser.parse_args(arguments)
    with terminal.Command("error") as command:
        assemble(options.profile)
    return command.code


if __name__ == "__main__":
    sys.exit(main())
