import huggingface_hub
import pytest

from unibind.backbones._shared.weights import find_weights
from unibind.backbones.spec import License
from unibind.errors import MissingFileError, UnibindError

LICENSE = License("CC-BY-NC-SA-4.0", commercial=False)
NAMES = ("tiny", "tiny.pth")


def find(given=None):
    return find_weights(given, NAMES, what="Tiny", where="https://example.org/tiny.pth", license=LICENSE)


def missing(given, *words):
    with pytest.raises(MissingFileError) as error:
        find(given)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


SOURCE = ("Tiny's weights are under CC-BY-NC-SA-4.0 (non-commercial)", "https://example.org/tiny.pth")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("UNIBIND_WEIGHTS", raising=False)


@pytest.fixture(params=["given", "variable"])
def ask(request, monkeypatch):
    """Asks by argument or by environment variable."""

    def by_variable(path):
        monkeypatch.setenv("UNIBIND_WEIGHTS", str(path))
        return find()

    return find if request.param == "given" else by_variable


def test_a_file(ask, tmp_path):
    (tmp_path / "any.pth").touch()
    assert ask(tmp_path / "any.pth") == tmp_path / "any.pth"


def test_a_folder_with_a_file_or_folder_of_that_name(ask, tmp_path):
    (tmp_path / "tiny.pth").touch()
    assert ask(tmp_path) == tmp_path / "tiny.pth"
    (tmp_path / "tiny").mkdir()
    assert ask(tmp_path) == tmp_path / "tiny"


def test_a_folder_of_towers(ask, tmp_path):
    (tmp_path / "audio.safetensors").touch()
    assert ask(tmp_path) == tmp_path


def test_the_home_folder(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tiny.pth").touch()
    assert ask("~/tiny.pth") == tmp_path / "tiny.pth"


def test_an_argument_precedes_the_variable(tmp_path, monkeypatch):
    (tmp_path / "a.pth").touch()
    monkeypatch.setenv("UNIBIND_WEIGHTS", str(tmp_path / "nowhere"))
    assert find(tmp_path / "a.pth") == tmp_path / "a.pth"


def test_nothing_is_given(monkeypatch):
    missing(None, *SOURCE, "--weights", "UNIBIND_WEIGHTS")
    monkeypatch.setenv("UNIBIND_WEIGHTS", "")
    missing(None, *SOURCE)


def test_the_path_does_not_exist(tmp_path, monkeypatch):
    missing(tmp_path / "nowhere", *SOURCE, "nowhere")
    missing(tmp_path, *SOURCE, "contains none of tiny, tiny.pth")
    monkeypatch.setenv("UNIBIND_WEIGHTS", str(tmp_path / "nowhere"))
    missing(None, *SOURCE, "nowhere (from UNIBIND_WEIGHTS) does not exist")


def test_the_hub(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a: asked.append(a) or str(tmp_path / "x"))
    assert find("hf:somebody/tiny/folder/tiny.pth") == tmp_path / "x"
    assert asked == [("somebody/tiny", "folder/tiny.pth")]


def test_no_network(monkeypatch):
    def fail(*_):
        raise ConnectionError("a long\nstory")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    missing("hf:somebody/tiny/tiny.pth", "hf:somebody/tiny/tiny.pth", "ConnectionError", "check the name")


@pytest.mark.parametrize("name", ["hf:", "hf:a", "hf:a/b", "hf:a//c", "hf:/b/c"])
def test_half_a_name_on_the_hub(name):
    with pytest.raises(UnibindError, match="hf:OWNER/REPO/FILE"):
        find(name)
