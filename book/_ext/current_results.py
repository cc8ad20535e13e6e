"""Keep the book's pages in step with the results: Sphinx alone only sees changes of their sources.

Every page is read, and so executed, again when the manifest of the profile in force has changed since the last build,
when another profile is in force, or when the library's own code has changed. After a build, a file in the output names
the profile; by it the Snakefile knows whose book it is.
"""

import os
from pathlib import Path

# before anything asks for it, and for the kernels of the pages too: the project is the one that this file lies in,
# whatever folder the build was started from
os.environ.setdefault("BSRNN_ROOT", str(Path(__file__).resolve().parents[2]))

from bsrnn.errors import MissingResult
from bsrnn.report import show
from bsrnn.report.manifest import README_PROFILE
from bsrnn.runtime import paths
from bsrnn.workflow import reproduce as workflow


def profile() -> str:
    """Profile in force: BSRNN_PROFILE, else the largest complete one; "none" before the first results."""
    try:
        return show.resolve_profile("auto")
    except MissingResult:
        return "none"  # a chapter that needs results says by itself which command makes them


def what_is_shown() -> str:
    """What decides the pages besides their own sources: the front page shows the committed results, too."""
    library = sorted((paths.root() / "bsrnn").rglob("*.py"))
    manifests = [paths.results(name) / "manifest.json" for name in dict.fromkeys([profile(), README_PROFILE])]
    return f"{profile()} {workflow.content_hash([*library, *(file for file in manifests if file.is_file())])}"


def outdated(app, env, added, changed, removed):
    """Every page, where what is shown has changed."""
    now = what_is_shown()
    before, env.bsrnn_shown = getattr(env, "bsrnn_shown", None), now  # kept with the pages that Sphinx keeps
    return sorted(env.found_docs) if before != now else []


def name_profile(app, exception):
    """Lay profile-<name>.txt beside the pages of a finished build."""
    if exception is not None or app.builder.format != "html":
        return
    for old in Path(app.outdir).glob("profile-*.txt"):
        old.unlink()
    Path(app.outdir, Path(workflow.book_stamp(profile())).name).write_text(what_is_shown() + "\n", encoding="utf-8")


def setup(app):
    """Sphinx's entry point."""
    app.connect("env-get-outdated", outdated)
    app.connect("build-finished", name_profile)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
