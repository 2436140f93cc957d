import json
import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unibind.backbones._shared.checkpoints import check_entries, fingerprint, open_checkpoint
from unibind.errors import MissingFileError, UnibindError


def drawn():
    generator = torch.Generator().manual_seed(0)
    return {
        "b.weight": torch.randn(4, 3, generator=generator),
        "a": torch.randn((), generator=generator),
        "half": torch.randn(2, 5, generator=generator).bfloat16(),
        "steps": torch.tensor(7),
        "none": torch.empty(0, 3),
        "flags": torch.tensor([True, False, True]),
    }


def safetensors(path):
    save_file(drawn(), path.with_suffix(".safetensors"), {"tower": "audio"})
    return path.with_suffix(".safetensors")


def zipped(path, content=None):
    torch.save(drawn() if content is None else content, path)
    return path


def legacy(path, content=None):
    torch.save(drawn() if content is None else content, path, _use_new_zipfile_serialization=False)
    return path


FORMS = {
    "safetensors": safetensors,
    "zip": zipped,
    "legacy": legacy,
    "state_dict": lambda path: zipped(path, {"epoch": 3, "state_dict": drawn()}),
    "model": lambda path: legacy(path, {"model": drawn(), "step": 1}),
}


@pytest.fixture(params=FORMS)
def form(request, tmp_path):
    return FORMS[request.param](tmp_path / "weights.pth")


def refused(path, *words, kind=UnibindError):
    with pytest.raises(kind) as error:
        checkpoint = open_checkpoint(path)
        list(checkpoint.stream(checkpoint.shapes))
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    assert all(word in text for word in words), text


def same(ours, theirs):
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and torch.equal(ours, theirs)


# --- reading -------------------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_tensors(form):
    checkpoint = open_checkpoint(form)
    truth = drawn()
    assert checkpoint.shapes == {name: tuple(tensor.shape) for name, tensor in truth.items()}
    assert checkpoint.dtypes == {name: tensor.dtype for name, tensor in truth.items()}
    mapped = checkpoint.mapped(["steps", "b.weight"])
    assert list(mapped) == ["steps", "b.weight"]
    assert all(same(mapped[name], truth[name]) for name in mapped)
    streamed = dict(checkpoint.stream(truth))
    assert list(streamed) == list(truth)
    assert all(same(streamed[name], truth[name]) for name in truth)


def test_every_format_has_the_same_fingerprint(form):
    checkpoint = open_checkpoint(form)
    assert fingerprint(checkpoint.stream(checkpoint.shapes)) == fingerprint(drawn().items())


def test_metadata_comes_from_the_header(tmp_path):
    assert open_checkpoint(safetensors(tmp_path / "a")).metadata == {"tower": "audio"}
    assert open_checkpoint(zipped(tmp_path / "a.pth")).metadata == {}


@pytest.mark.parametrize("write", [safetensors, zipped])
def test_mapped_tensors_share_memory_with_the_file_and_streamed_ones_are_copies(write, tmp_path):
    path = write(tmp_path / "a.pth")
    checkpoint = open_checkpoint(path)
    mapped = checkpoint.mapped(["b.weight"])["b.weight"]
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(path.resolve()) in line]
    ranges = [tuple(int(end, 16) for end in fields[0].split("-")) for fields in maps]
    assert any(start <= mapped.data_ptr() < end for start, end in ranges)
    ((_, copy),) = checkpoint.stream(["b.weight"])
    assert not any(start <= copy.data_ptr() < end for start, end in ranges)
    copy.zero_()
    assert same(checkpoint.mapped(["b.weight"])["b.weight"], drawn()["b.weight"])


def test_a_tensor_in_another_memory_order_is_read_correctly(tmp_path):
    path = zipped(tmp_path / "a.pth", {"a": torch.arange(6.0).reshape(2, 3).T})
    assert open_checkpoint(path).mapped(["a"])["a"].tolist() == [[0, 3], [1, 4], [2, 5]]


# --- fingerprints --------------------------------------------------------------------------------------------------


def test_the_order_of_tensors_does_not_change_a_fingerprint():
    entries = list(drawn().items())
    assert fingerprint(entries) == fingerprint(reversed(entries))
    assert len(fingerprint(entries)) == 12
    assert int(fingerprint(entries), 16) >= 0


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t | {"a": t["a"] + 1e-6},
        lambda t: {"A" if name == "a" else name: tensor for name, tensor in t.items()},
        lambda t: t | {"b.weight": t["b.weight"].reshape(3, 4)},
        lambda t: t | {"steps": t["steps"].double().view(torch.int64)},
        lambda t: t | {"b.weight": t["b.weight"].view(torch.int32)},
        lambda t: t | {"a": t["steps"], "steps": t["a"]},
        lambda t: {name: tensor for name, tensor in t.items() if name != "none"},
    ],
)
def test_any_change_changes_the_fingerprint(change):
    assert fingerprint(change(drawn()).items()) != fingerprint(drawn().items())


def test_memory_order_does_not_change_a_fingerprint():
    a = torch.randn(3, 4)
    assert fingerprint([("a", a)]) == fingerprint([("a", a.T.contiguous().T)])


# --- what does not fit ---------------------------------------------------------------------------------------------


def test_entries_that_fit_pass():
    check_entries({"a": (1, 2)}, {"a": (1, 2)}, "file")


def test_mismatched_entries_are_listed_by_kind():
    wanted = {f"w{i}": (1,) for i in range(5)} | {"a": (2, 3)}
    found = {"x": (1,), "y": (1,), "a": (3, 2)}
    with pytest.raises(UnibindError) as error:
        check_entries(wanted, found, "audio.safetensors")
    assert str(error.value) == (
        "audio.safetensors does not fit: it lacks w0, w1, w2 and 2 more; it has the unexpected x, y; "
        "it has the wrong shapes a [3, 2] instead of [2, 3]; choose the weights of this model"
    )


# --- damaged and hostile -------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    refused(tmp_path / "none.pth", "does not exist", kind=MissingFileError)
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off(write, share, tmp_path):
    path = write(tmp_path / "a.pth")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
@pytest.mark.parametrize(
    "content",
    [b"\xff" * 999, b"<html>not found</html>", b"\x80\x04N.", b"PK\x03\x04" + b"\0" * 99, b"version https://git-lfs"],
)
def test_a_file_of_another_kind(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name)


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_random_damage_is_reported_or_changes_only_numbers(write, tmp_path):
    path = write(tmp_path / "a.pth")
    content = path.read_bytes()
    dice = random.Random(0)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[dice.randrange(len(content))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            checkpoint = open_checkpoint(path)
            for name, tensor in checkpoint.stream(checkpoint.shapes):
                assert tuple(tensor.shape) == checkpoint.shapes[name]
        except UnibindError as error:
            assert "\n" not in str(error)


class Touch:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"a": torch.zeros(1), "b": t}, lambda t: {"state_dict": t}])
def test_code_in_a_file_is_not_run(write, wrap, tmp_path):
    path = write(tmp_path / "evil.pth", wrap(Touch(tmp_path / "touched")))
    refused(path, "contains more than tensors and was not loaded")
    assert not (tmp_path / "touched").exists()


def test_a_bare_pickle_is_never_loaded(tmp_path):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Touch(tmp_path / "touched")))
    refused(tmp_path / "evil.pth", "is not a checkpoint")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([torch.zeros(1)], "list"),
        ({}, "dict"),
        ({"a": 3}, "'a'"),
        ({"a": [torch.zeros(1)]}, "'a'"),
        ({1: torch.zeros(1)}, "1"),
        ({"a": torch.zeros(1).expand(1 << 40)}, "'a'"),
        ({"a": torch.eye(3).to_sparse()}, "'a'"),
        ({"a": torch.zeros(2, device="meta")}, "'a'"),
    ],
)
@pytest.mark.parametrize("write", [zipped, legacy])
def test_anything_but_a_state_dict_is_refused(write, content, word, tmp_path):
    refused(write(tmp_path / "a.pth", content), word)


def test_a_compressed_archive_is_refused(tmp_path):
    zipped(tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as old, zipfile.ZipFile(tmp_path / "b.pth", "w") as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record), zipfile.ZIP_DEFLATED)
    refused(tmp_path / "b.pth", "compressed")


def test_a_torchscript_program_is_not_run(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
        archive.writestr("a/constants.pkl", pickle.dumps((), 2))
    refused(tmp_path / "a.pt", "TorchScript")


def with_header(path, header, data=b"\0" * 16, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(start=0, end=16, shape=(4,), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_a_header_by_hand(tmp_path):
    path = with_header(tmp_path / "a.safetensors", {"a": entry()})
    assert open_checkpoint(path).mapped(["a"])["a"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        ([], "not an object"),
        ({"__metadata__": [], "a": entry()}, "metadata"),
        ({"__metadata__": {"a": 1}, "a": entry()}, "metadata"),
        ({"a": 3}, "entry a"),
        ({"a": {"dtype": "F32"}}, "entry a"),
        ({"a": entry(end=1 << 50, shape=[1 << 48])}, "its tensors take"),
        ({"a": entry(end=32, shape=[8])}, "its tensors take"),
        ({"a": entry(end=8, shape=[2])}, "its tensors take"),
        ({"a": entry(shape=[5])}, "entry a"),
        ({"a": entry(shape=[-4])}, "entry a"),
        ({"a": entry(shape=[4.0])}, "entry a"),
        ({"a": entry(shape=[1 << 80, 0])}, "entry a"),
        ({"a": entry(start=-16, end=0)}, "entry a"),
        ({"a": entry(start=16, end=0)}, "entry a"),
        ({"a": entry(), "b": entry()}, "overlaps"),
        ({"a": entry(), "b": entry(8, 16, [2])}, "overlaps"),
        ({"a": entry(0, 4, [1]), "b": entry(8, 16, [2])}, "gap"),
        ({"a": entry(dtype="F31")}, "F31"),
        ({"a": entry(dtype=None)}, "None"),
        ({"a": entry(dtype=["F32"])}, "F32"),
    ],
)
def test_an_invalid_header(header, word, tmp_path):
    refused(with_header(tmp_path / "a.safetensors", header), word)


@pytest.mark.parametrize("length", [0, 1 << 20, 1 << 40, (1 << 64) - 1])
def test_an_absurd_length_of_the_header(length, tmp_path):
    refused(with_header(tmp_path / "a.safetensors", {"a": entry()}, length=length))


def test_a_file_cut_off_after_it_was_opened(tmp_path):
    path = with_header(tmp_path / "a.safetensors", {"a": entry()})
    checkpoint = open_checkpoint(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UnibindError, match="truncated while it was read"):
        list(checkpoint.stream(["a"]))
    with pytest.raises(UnibindError, match="damaged"):
        checkpoint.mapped(["a"])
