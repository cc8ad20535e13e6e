"""Models on the Hugging Face Hub: ``config.json``, ``model.safetensors`` and a card, as in a folder on the disk.

``user/name`` (or ``user/name@revision``, or ``hf://user/name`` where a folder stands in the way) is looked for on the
disk first, then in the Hub's cache, and only then in the network. So what was loaded once needs no network, and does
not change behind your back: a new version is loaded by its revision, or after its cache is deleted.
``huggingface_hub`` is an extra, imported only where it is asked for; its own settings hold (HF_HOME, HF_TOKEN,
HF_HUB_OFFLINE). :mod:`bsrnn.tool.publish` goes the other way.
"""

import re
import ssl
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bsrnn.errors import BSRNNError, DataError

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
PATIENCE = 3  # seconds until a network counts as missing
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
    hub = huggingface_hub(f"to load {found['id']!r}, which is no folder here, from the Hugging Face Hub")
    repository = {"repo_id": found["id"], "revision": found["revision"]}
    try:
        files = [hub.hf_hub_download(filename=file, local_files_only=True, **repository) for file in (CONFIG, WEIGHTS)]
    except hub.errors.LocalEntryNotFoundError:
        try:
            _require_network(hub)
            files = [hub.hf_hub_download(filename=file, **repository) for file in (CONFIG, WEIGHTS)]
        except hub.errors.HFValidationError as error:
            raise DataError(f"{found['id']!r} is no name that the Hugging Face Hub allows ({error})") from error
        except (hub.errors.EntryNotFoundError, OSError) as error:
            what = str(error).strip().splitlines()[0].removesuffix(".")
            what = "HF_HUB_OFFLINE is set" if hub.constants.HF_HUB_OFFLINE else what
            raise DataError(
                f"no folder {found['id']!r} here, and it could not be loaded from the Hugging Face Hub ({what}); "
                "expected a folder, or a model of that name and a network. Once loaded it needs none: run `hf download "
                f"{found['id']}` where there is one, and copy the cache (HF_HOME)"
            ) from error
    return Path(files[0]).parent


def _require_network(hub) -> None:
    """Raise OSError within seconds where the Hub cannot be reached; huggingface_hub itself tries for half a minute.

    Nothing is asked where its own HF_HUB_OFFLINE says that there is no network. Whatever answers is enough, a refusal
    or a certificate that Python does not know too: the download then says what is wrong.
    """
    if hub.constants.HF_HUB_OFFLINE:
        return
    failed = []

    def ask() -> None:
        try:
            urlopen(Request(hub.constants.ENDPOINT, method="HEAD"), timeout=PATIENCE).close()
        except (HTTPError, ssl.SSLError):
            pass
        except OSError as error:
            if not isinstance(getattr(error, "reason", None), ssl.SSLError):
                failed.append(f"no network: {getattr(error, 'reason', error)}")

    asking = Thread(target=ask, daemon=True)  # since a name server that does not answer knows no time limit
    asking.start()
    asking.join(PATIENCE)
    if asking.is_alive():
        failed.append(f"no network: no answer within {PATIENCE} s")
    if failed:
        raise OSError(f"{failed[0]}; HF_HUB_OFFLINE=1 does not even ask")


def _hub_id(name: str | Path) -> re.Match | None:
    """Only a string can be a Hub id, and only if no folder is there, nor one that it could be a misspelt part of."""
    if not isinstance(name, str) or not (found := HUB_ID.fullmatch(name)):
        return None
    return found if found[1] or not Path(name).parent.exists() else None


def huggingface_hub(purpose: str):
    """The module of that name; BSRNNError, with ``purpose``, where it is missing."""
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors  # noqa: F401
    except ImportError as error:
        raise BSRNNError(f"huggingface_hub is needed {purpose} ({error}): `pip install bsrnn[hub]`; or give the "
                         "folder of a model") from error  # fmt: skip
    return huggingface_hub
