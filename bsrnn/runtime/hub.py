"""Models on the Hugging Face Hub: ``config.json``, ``model.safetensors`` and a card, as in a folder on the disk.

``user/name`` (or ``user/name@revision``, or ``hf://user/name`` where a folder stands in the way) is looked for on the
disk first, then in the Hub's cache, and only then in the network. So what was loaded once needs no network, and does
not change behind your back: a new version is loaded by its revision, or after its cache is deleted.
``huggingface_hub`` is an extra, imported only here; its own settings hold (HF_HOME, HF_TOKEN, HF_HUB_OFFLINE). A model
has the names of its mixin, ``BSRNN.from_pretrained``, ``save_pretrained`` and ``push_to_hub``. The mixin itself
publishes. It does not load or save, since it asks the network first and removes a folder's config.json before a new one
is whole; nor is it a base of the model's class, which would then need it.
"""

import re
import shutil
from pathlib import Path

from bsrnn.errors import BSRNNError, DataError

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
HUB_ID = re.compile(r"(hf://)?(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def plain_name(name: str | Path) -> str:
    """A path as it is, a Hub id without prefix and revision."""
    found = _hub_id(name)
    return found["id"] if found else str(name)


def locate(name: str | Path) -> Path:
    """The folder of a model: ``name`` itself, or the Hub's local copy of it, loaded if need be.

    What is no folder and no Hub id, or could be a misspelt folder, is given back as it is.

    Raises:
        BSRNNError: huggingface_hub is missing. DataError: no network, or no such model on the Hub.
    """
    found = _hub_id(name)
    if not found:
        return Path(name)
    hub = _huggingface_hub(f"to load {found['id']!r}, which is no folder here, from the Hugging Face Hub")
    repository = {"repo_id": found["id"], "revision": found["revision"]}
    try:
        files = [hub.hf_hub_download(filename=file, local_files_only=True, **repository) for file in (CONFIG, WEIGHTS)]
    except hub.errors.LocalEntryNotFoundError:
        try:
            files = [hub.hf_hub_download(filename=file, **repository) for file in (CONFIG, WEIGHTS)]
        except hub.errors.HFValidationError as error:
            raise DataError(f"{found['id']!r} is no name that the Hugging Face Hub allows ({error})") from error
        except (hub.errors.EntryNotFoundError, OSError) as error:
            what = str(error).strip().splitlines()[0]
            raise DataError(
                f"no folder {found['id']!r} here, and it could not be loaded from the Hugging Face Hub ({what}); "
                "expected a folder, or a model of that name and a network. Once loaded it needs none: run `hf download "
                f"{found['id']}` where there is one, and copy the cache (HF_HOME)"
            ) from error
    return Path(files[0]).parent


def push(folder: str | Path, repo_id: str, **options) -> str:
    """Publish the model in ``folder``: its config.json, model.safetensors and card, nothing else; the commit's address.

    The repository is made if it is not there. A folder without a card gets one, from its config.json.

    Args:
        options: of huggingface_hub's ``ModelHubMixin.push_to_hub``: private, token, branch, create_pr, commit_message.

    Raises:
        BSRNNError: huggingface_hub is missing, or the Hub refuses (no token, no right, no network).
        DataError: no model in ``folder``.
    """
    from bsrnn import checkpoint
    from bsrnn.tool import cards

    folder = Path(folder)
    checkpoint.load(folder)  # what cannot be loaded is not published
    if not (folder / CARD).is_file():
        cards.write(folder)
    hub = _huggingface_hub("to publish a model")

    class Publisher(hub.ModelHubMixin):
        def _save_pretrained(self, save_directory: Path) -> None:
            for name in (CONFIG, WEIGHTS, CARD):
                shutil.copy(folder / name, save_directory / name)

    try:
        return str(Publisher().push_to_hub(repo_id, **({"commit_message": "Upload a BSRNN"} | options)))
    except (OSError, hub.errors.HFValidationError) as error:
        raise BSRNNError(f"{repo_id}: the Hugging Face Hub did not take it ({error}); `hf auth login` or HF_TOKEN give "
                         "the right to write") from error  # fmt: skip


def _hub_id(name: str | Path) -> re.Match | None:
    """Only a string can be a Hub id, and only if no folder is there, nor one that it could be a misspelt part of."""
    if not isinstance(name, str) or not (found := HUB_ID.fullmatch(name)):
        return None
    return found if found[1] or not Path(name).parent.exists() else None


def _huggingface_hub(purpose: str):
    try:
        import huggingface_hub
        from huggingface_hub import errors  # noqa: F401
    except ImportError as error:
        raise BSRNNError(f"huggingface_hub is needed {purpose} ({error}): `pip install bsrnn[hub]`; or give the "
                         "folder of a model") from error  # fmt: skip
    return huggingface_hub
