"""A model onto the Hugging Face Hub: its config.json, its model.safetensors and a card, nothing else.

``bsrnn.tool.publish.publish("models/piano", "you/piano")`` makes the repository where it is not there. Afterwards
``bsrnn.load("you/piano")`` has the model, on any machine.
"""

import tempfile
from pathlib import Path

from bsrnn import checkpoint
from bsrnn.errors import BSRNNError
from bsrnn.models.base import Separator
from bsrnn.runtime import hub
from bsrnn.tool import cards


def publish(
    model: str | Path | Separator,
    repo_id: str,
    info: dict | None = None,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
) -> str:
    """Publish a model with its card; the commit's address.

    Args:
        model: a folder that :func:`bsrnn.load` reads, or a model in memory. A folder without a card gets one.
        repo_id: ``"user/name"``.
        info: of a model in memory (data, seed, scores), for its config.json and card; a folder has its own.
        private: a repository that is made now; None: as the user's settings on the Hub say.
        token: with the right to write; None: the one that ``hf auth login`` or HF_TOKEN gave.
        branch: None: main. One that is not there is made.

    Raises:
        BSRNNError: huggingface_hub is missing, or the Hub refuses (no token, no right, no network).
        DataError: no model in the folder.
    """
    if isinstance(model, Separator):
        with tempfile.TemporaryDirectory() as temporary:
            return publish(checkpoint.save(model, Path(temporary), info), repo_id, None, private, token, branch)
    folder = Path(model)
    checkpoint.load(folder)  # what cannot be loaded is not published
    if not (folder / hub.CARD).is_file():
        cards.write(folder)
    huggingface_hub = hub.huggingface_hub("to publish a model")
    no_network = huggingface_hub.errors.HfHubHTTPError.__bases__[0]  # HTTPError of httpx, or of httpx2 since version 2
    try:
        api = huggingface_hub.HfApi(token=token)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if branch:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        return str(
            api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                allow_patterns=[hub.CONFIG, hub.WEIGHTS, hub.CARD],
                commit_message="Upload a BSRNN",
                revision=branch,
            )
        )
    except (OSError, no_network, huggingface_hub.errors.HFValidationError) as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise BSRNNError(
            f"{repo_id}: the Hugging Face Hub did not take it ({words[0]}); `hf auth login` or HF_TOKEN give the right "
            "to write"
        ) from error
