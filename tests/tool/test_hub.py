"""Models of the Hugging Face Hub, without a network: a cache made by hand, and a stand-in for the Hub's interface."""

import contextlib
import importlib
import json
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from places import REPOSITORY

import bsrnn
from bsrnn import checkpoint, cli
from bsrnn.config import ModelConfig
from bsrnn.errors import BSRNNError, DataError
from bsrnn.runtime import hub
from bsrnn.tool import cards
from bsrnn.tool.publish import publish

REPO = "someone/band-split"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    model = bsrnn.BSRNN(ModelConfig(targets=("piano",), band_split="v1", features=4, modules=1)).eval()
    info = {"data": {"source": "folder", "folder": "my songs"}, "seed": 3}
    return checkpoint.save(model, tmp_path / "made" / "piano", info)


@pytest.fixture
def huggingface_hub():
    pytest.importorskip("huggingface_hub")
    importlib.import_module("huggingface_hub.constants")
    return importlib.import_module("huggingface_hub")


@pytest.fixture
def cache(tmp_path, monkeypatch, huggingface_hub):
    """An empty cache, and no network."""
    folder = tmp_path / "cache"
    constants = importlib.import_module("huggingface_hub.constants")  # read from the environment when first imported
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


def fill(cache, model, files=(hub.CONFIG, hub.WEIGHTS)):
    """What a download leaves in the cache."""
    place = cache / "models--someone--band-split"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    snapshot = place / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in files:
        shutil.copy(model / name, snapshot / name)
    return snapshot


@pytest.mark.parametrize("name", [REPO, f"hf://{REPO}", f"{REPO}@main", f"{REPO}@{COMMIT}"])
def test_what_was_loaded_once_needs_no_network(cache, model, name):
    snapshot = fill(cache, model)
    assert hub.locate(name) == snapshot and hub.plain_name(name) == REPO
    loaded, expected = bsrnn.load(name), bsrnn.load(model)
    assert loaded.config == expected.config
    for one, other in zip(loaded.state_dict().values(), expected.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_the_network_is_asked_for_what_is_not_in_the_cache_alone(cache, model, monkeypatch, huggingface_hub):
    asked = []

    def download(repo_id, filename, revision, local_files_only=False):
        asked.append((filename, local_files_only))
        if local_files_only and not cache.exists():
            raise huggingface_hub.errors.LocalEntryNotFoundError("not here")
        if not cache.exists():
            fill(cache, model)
        return str(cache / "models--someone--band-split" / "snapshots" / COMMIT / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    hub.locate(REPO)
    assert asked == [(hub.CONFIG, True), (hub.CONFIG, False), (hub.WEIGHTS, False)]
    asked.clear()
    hub.locate(REPO)
    assert asked == [(hub.CONFIG, True), (hub.WEIGHTS, True)]


@pytest.mark.parametrize("files", [(), (hub.CONFIG,)])
def test_offline_and_not_in_the_cache(cache, model, files):
    fill(cache, model, files)
    with pytest.raises(DataError, match=f"no folder '{REPO}' here, .*HF_HUB_OFFLINE is set.*`hf download {REPO}`"):
        bsrnn.load(REPO)


class Server:
    """A Hub on this machine that answers every question with ``status``, or takes it and stays silent (None)."""

    def __init__(self, status):
        self.status, self.socket, self.asked = status, socket.create_server(("127.0.0.1", 0)), []
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.asked.append(connection)  # kept, or else it would be closed
            if self.status:
                connection.recv(10_000)
                connection.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
                connection.close()

    def close(self):
        for connection in (self.socket, *self.asked):
            connection.close()


@pytest.fixture
def serve():
    """Makes a Server that is closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda status: stack.enter_context(contextlib.closing(Server(status)))


@pytest.mark.parametrize(("open", "said"), [(True, "timed out|no answer within 0.3 s"), (False, ".*refused")])
def test_without_a_network_a_missing_folder_is_said_within_seconds(
    cache, huggingface_hub, monkeypatch, open, said, serve
):
    with socket.create_server(("127.0.0.1", 0)) as nobody:  # a place where nobody listens once it is closed
        refusing = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    address = serve(None).address if open else refusing
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(hub, "PATIENCE", 0.3 if open else 30)
    before = time.monotonic()
    with pytest.raises(DataError, match=f"^no folder '{REPO}' here, .*no network: ({said}); HF_HUB_OFFLINE=1 does not"):
        bsrnn.load(REPO)
    assert time.monotonic() - before < 2.5  # huggingface_hub alone tries for 23 s


@pytest.mark.parametrize("status", [200, 403, 404, 500])
def test_a_hub_that_answers_is_a_network(huggingface_hub, monkeypatch, status, serve):
    server = serve(status)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
    hub._require_network(huggingface_hub)
    assert len(server.asked) == 1
    server.socket.close()


def test_a_misspelt_folder_is_not_looked_for_on_the_hub(model, monkeypatch):
    monkeypatch.chdir(model.parents[1])
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match="no model in made/paino: expected a folder"):
        bsrnn.load("made/paino")
    with pytest.raises(DataError, match="no model in nowhere"):
        bsrnn.load("nowhere")
    with pytest.raises(DataError, match="no model in someone/band-split"):
        bsrnn.load(Path(REPO))  # a path is a path


def test_without_huggingface_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(BSRNNError, match=r"huggingface_hub is needed to load 'someone/band-split'.*bsrnn\[hub\]"):
        bsrnn.load(REPO)


def test_the_library_does_not_import_it():
    import subprocess

    code = "import sys, bsrnn, bsrnn.cli; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_the_command_line_takes_a_hub_id(cache, model, tmp_path, capsys):
    fill(cache, model)
    bsrnn.audio.files.write(tmp_path / "song.wav", np.zeros((2, 3000), np.float32), 44100)
    out = tmp_path / "out"
    assert cli.main(["separate", str(tmp_path / "song.wav"), "--model", f"{REPO}@main", "-o", str(out), "-q"]) == 0
    assert capsys.readouterr().out == f"{out / 'band-split' / 'song' / 'piano.wav'}\n"


@pytest.fixture
def the_hub(monkeypatch, huggingface_hub):
    """What would be sent, and to where."""
    sent = {}

    class Api:
        def __init__(self, token=None):
            sent["token"] = token

        def create_repo(self, repo_id, private, exist_ok):
            sent["repository"] = repo_id, private, exist_ok
            return type("Repository", (), {"repo_id": repo_id})

        def create_branch(self, repo_id, branch, exist_ok):
            sent["branch"] = repo_id, branch, exist_ok

        def upload_folder(self, repo_id, folder_path, allow_patterns, **options):
            names = [str(path.relative_to(folder_path)) for path in Path(folder_path).rglob("*") if path.is_file()]
            chosen = huggingface_hub.utils.filter_repo_objects(names, allow_patterns=allow_patterns)
            sent["files"] = {name: (Path(folder_path) / name).read_bytes() for name in chosen}
            sent["options"] = options
            return "https://huggingface.co/x"

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return sent


def test_publishing_sends_the_model_and_its_card_alone(model, the_hub):
    (model / "training.json").write_text("{}")
    (model / "older").mkdir()
    (model / "older" / "config.json").write_text("{}")
    assert publish(model, REPO, private=True, token="abc", branch="new") == "https://huggingface.co/x"
    names = {"config.json", "model.safetensors", "README.md"}
    assert the_hub["files"] == {name: (model / name).read_bytes() for name in names}
    assert the_hub["repository"] == (REPO, True, True) and the_hub["token"] == "abc"
    assert the_hub["branch"] == (REPO, "new", True)
    assert the_hub["options"] == {"revision": "new", "commit_message": "Upload a BSRNN"}


def test_a_model_in_memory_is_published_as_its_folder_would_be(cache, model, tmp_path, the_hub):
    loaded = bsrnn.load(model)
    info = {"data": {"source": "folder", "folder": "my songs"}, "seed": 3}
    assert publish(loaded, REPO, info) == "https://huggingface.co/x"
    assert the_hub["repository"] == (REPO, None, True) and "branch" not in the_hub
    cards.write(model)
    assert the_hub["files"] == {name: (model / name).read_bytes() for name in (hub.CONFIG, hub.WEIGHTS, hub.CARD)}
    fill(cache, model)
    again = bsrnn.load(REPO)  # from the cache: there is no network
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), again.parameters(), strict=True))


def test_what_is_no_model_is_not_published(tmp_path, the_hub):
    with pytest.raises(DataError, match="no model in"):
        publish(tmp_path, REPO)
    assert the_hub == {}


def test_publishing_offline_is_one_line(cache, model):
    with pytest.raises(BSRNNError, match=f"{REPO}: the Hugging Face Hub did not take it .*HF_TOKEN"):
        publish(model, REPO)


def test_a_network_that_fails_is_one_line(model, monkeypatch, huggingface_hub):
    client = importlib.import_module(huggingface_hub.errors.HfHubHTTPError.__bases__[0].__module__.split(".")[0])
    assert not issubclass(client.ConnectError, OSError)

    def fails(*_, **__):
        raise client.ConnectError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", fails)
    with pytest.raises(BSRNNError, match=rf"{REPO}: .*did not take it \(Name or service not known\)"):
        publish(model, REPO)


def test_the_card_says_what_config_json_says(model):
    text = cards.write(model).read_text()
    head, body = text.split("---\n")[1:]
    assert "library_name: bsrnn" in head and "pipeline_tag: audio-to-audio" in head
    assert "license" not in head and "- Licence: not stated" in body  # someone's own songs
    parameters = bsrnn.load(model).count_parameters()
    for words in (
        "# Band-split RNN: piano",
        "a user's own songs, in 'my songs'",
        "- Seed: 3",
        f"{parameters} parameters",
    ):
        assert words in body
    values = json.loads((model / "config.json").read_text())
    values["info"] |= {"data": {"source": "embedded"}, "summary": {"usdr_mean": 2.345, "usdr_songs": 16}}
    (model / "config.json").write_text(json.dumps(values))
    text = cards.card(model)
    assert "license: mit" in text and "not real music" in text and "uSDR 2.35 dB (mean of 16 held-out songs" in text
    assert cards.describe(model) == (
        "piano: trained on songs that this project renders itself, not real music; "
        "uSDR 2.35 dB (mean of 16 held-out songs of that data)"
    )
    values["info"]["data"] |= {"train_songs": 2, "amateur_songs": 2}
    (model / "config.json").write_text(json.dumps(values))
    assert "not real music, in part sung by amateurs without a producer; uSDR 2.35 dB" in cards.describe(model)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"items": 3600}, "- Items (stereo mixtures) seen: 3600"),  # written before there was a choice
        ({"items": 5, "item_channels": "both"}, "- Items (stereo mixtures) seen: 5"),
        ({"items": 5, "item_channels": "one"}, "- Items (one channel of a mixture each) seen: 5"),
    ],
)
def test_the_card_says_what_an_item_was(model, info, words):
    values = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({"model": values["model"], "info": info}))
    assert words in cards.card(model).splitlines()


def test_a_model_that_says_nothing_of_itself(model):
    values = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({"model": values["model"]}))
    assert cards.describe(model) == "piano: trained on unknown data: its config.json does not say"
    assert "- Seed" not in cards.card(model)
    (model / "config.json").write_text("[]")
    with pytest.raises(DataError, match="describes no model"):
        cards.describe(model)
