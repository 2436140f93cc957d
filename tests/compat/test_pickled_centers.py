import io
import os
import pickle
import random
import struct

import numpy as np
import pytest
import torch

from unibind.backbones._shared.torch_file import LEGACY
from unibind.compat.pickled_centers import load_centers_pickle
from unibind.errors import LimitError, MissingFileError, UnibindError


def example(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return {label: torch.randn(5, 8, generator=generator).to(dtype) for label in ("dog", "cat", "folding chair")}


def write(path, value, protocol=4):
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


@pytest.fixture
def refused(tmp_path):
    """Checks that a value's pickle is refused in one sentence, and that no `touched` was created in the folder."""

    def check(value, *words):
        path = write(tmp_path / "centers.pkl", value)
        with pytest.raises(UnibindError) as error:
            load_centers_pickle(path)
        text = str(error.value)
        assert str(path) in text
        assert "\n" not in text
        assert all(word in text for word in words), text
        assert not (tmp_path / "touched").exists()

    return check


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_centers_come_back(tmp_path, protocol, dtype):
    loaded = load_centers_pickle(write(tmp_path / "centers.pkl", example(dtype), protocol))
    assert list(loaded) == ["dog", "cat", "folding chair"]
    for label, tensor in example(dtype).items():
        assert loaded[label].dtype == np.float32
        assert np.array_equal(loaded[label], tensor.float().numpy())


def test_views_and_gradients_come_back(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6) + 1
    value = {
        "rows": whole[1:3, :3],
        "transposed": whole.T[:3, 1:],
        "with gradient": whole[:2, :3].clone().requires_grad_(),
    }
    loaded = load_centers_pickle(write(tmp_path / "centers.pkl", value))
    assert loaded["rows"].tolist() == [[7, 8, 9], [13, 14, 15]]
    assert loaded["transposed"].tolist() == whole.T[:3, 1:].tolist()


def test_categories_may_have_different_numbers_of_centers(tmp_path):
    """The public event centers have 5,124 rows for 101 classes."""
    generator = torch.Generator().manual_seed(0)
    sizes = [50] * 27 + [51] * 74
    assert (sum(sizes), len(sizes)) == (5124, 101)
    value = {f"class {i}": torch.randn(size, 8, generator=generator) for i, size in enumerate(sizes)}
    loaded = load_centers_pickle(write(tmp_path / "centers.pkl", value))
    assert list(loaded) == list(value)
    assert [len(vectors) for vectors in loaded.values()] == sizes
    assert all(np.array_equal(loaded[label], tensor.numpy()) for label, tensor in value.items())


def test_tensors_saved_on_a_gpu_come_back_on_the_cpu(tmp_path):
    content = pickle.dumps(example())
    moved = content.replace(b"X\x03\x00\x00\x00cpuq\x03", b"X\x06\x00\x00\x00cuda:0q\x03")
    assert moved.count(b"cuda:0") == 3
    moved = _with_longer_strings(moved, 3)
    loaded = load_centers_pickle(write(tmp_path / "centers.pkl", moved))
    assert np.array_equal(loaded["dog"], example()["dog"].numpy())


def _with_longer_strings(content, grown):
    """Correct the lengths of the pickle's byte strings, which grew by `grown` bytes, and remove the frame."""
    out, rest = b"", content[:2] + content[11:]
    while (at := rest.find(b"\x80\x02\x8a\nl\xfc")) >= 0:
        (length,) = struct.unpack("<I", rest[at - 4 : at])
        out += rest[: at - 4] + struct.pack("<I", length + grown) + rest[at : at + length + grown]
        rest = rest[at + length + grown :]
    return out + rest


def test_missing_and_too_large_files_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        load_centers_pickle(tmp_path / "none.pkl")
    path = write(tmp_path / "centers.pkl", example())
    with pytest.raises(LimitError, match="at most 100"):
        load_centers_pickle(path, max_bytes=100)


# --- hostile -------------------------------------------------------------------------------------------------------


class Calls:
    """A pickle of it calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touching(tmp_path):
    folder = str(tmp_path / "touched")
    return {
        "system": Calls(os.system, f"mkdir {folder}"),
        "mkdir": Calls(os.mkdir, folder),
        "eval": Calls(eval, f"__import__('os').mkdir({folder!r})"),
        "exec": Calls(exec, f"import os; os.mkdir({folder!r})"),
        "getattr": Calls(getattr, "abc", "join"),
        "torch.load": Calls(torch.load, folder),
        "import": Calls(__import__, "antigravity"),
    }


@pytest.mark.parametrize("kind", ["system", "mkdir", "eval", "exec", "getattr", "torch.load", "import"])
@pytest.mark.parametrize("place", [lambda x: x, lambda x: {"dog": x}, lambda x: example() | {"z": {"deep": (x,)}}])
def test_functions_are_not_called(refused, tmp_path, kind, place):
    evil = touching(tmp_path)[kind]
    refused(place(evil), "contains a call of")


@pytest.mark.parametrize(("form", "word"), [(True, "something other"), (False, "more")])
def test_functions_within_a_tensors_numbers_are_not_called(refused, tmp_path, form, word):
    inner = io.BytesIO()
    torch.save(touching(tmp_path)["mkdir"], inner, _use_new_zipfile_serialization=form)
    loads = Calls(torch.storage._load_from_bytes, inner.getvalue())
    refused({"dog": loads}, f"{word} than numbers within a tensor")
    refused(loads)


def test_a_pickle_within_a_tensors_numbers_is_not_run(refused, tmp_path):
    inner = pickle.dumps(touching(tmp_path)["mkdir"])
    refused({"dog": Calls(torch.storage._load_from_bytes, inner)})


def test_other_things_within_a_tensors_numbers(refused):
    inner = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, inner, _use_new_zipfile_serialization=False)
    refused({"dog": Calls(torch.storage._load_from_bytes, inner.getvalue())}, "something other than numbers")


@pytest.mark.parametrize(
    "arguments",
    [
        (0, (1 << 20, 1 << 20), (1, 1)),  # larger than its numbers: torch would allocate more
        (0, (1 << 15, 1 << 15), (0, 0)),  # strides of zero
        (7, (2, 2), (2, 1)),
        (-1, (2, 2), (2, 1)),
        (0, (2, 2), (1 << 30, 1)),
        (0, (-2, -2), (2, 1)),
        (0, "ab", (2, 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensors_beyond_their_numbers(refused, arguments):
    numbers = torch.storage.TypedStorage(8, dtype=torch.float32)
    refused({"dog": Calls(torch._utils._rebuild_tensor_v2, numbers, *arguments, False, None)})


@pytest.mark.parametrize("numbers", ["dog", torch.zeros(4), None])
def test_tensors_without_numbers(refused, numbers):
    refused({"dog": Calls(torch._utils._rebuild_tensor_v2, numbers, 0, (2, 2), (2, 1), False, None)}, "without numbers")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04.",
        b"\x80\x04N.",
        b"\x80\x04}.",
        b"\x80\x04N",
        b"\xff" * 99,
        b"<html>not found</html>",
        b"\x80\x04h\x00.",  # a memo entry that was never made
        b"\x80\x04r\xff\xff\xff\xff.",  # one of 4 GB
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # an endless byte string
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",  # an endless frame
        b"\x80\x04ct\n",
        b"\x80\x04t.",
        b"\x80\x04R.",
        b"\x80\x04\x8c\x01aR.",
        b"cos\nsystem\n(S'mkdir touched'\ntR.",
        b"(S'mkdir touched'\nios\nsystem\n.",
        b"\x80\x04]\x94h\x00a.",  # a list that contains itself
        b"\x80\x04}\x94\x8c\x01ah\x00s.",  # a dict that contains itself
        b"\x80\x04Po\n.",
        b"\x80\x02\x82\x01.",
    ],
)
def test_bytes_that_are_not_centers(refused, content):
    refused(content)


@pytest.mark.slow
def test_nested_tuples_are_not_labels(refused):
    deep = b"\x85" * 200_000  # hashing it would overflow the stack
    refused(b"\x80\x04}N" + deep + b"Ns.", "a key that is not a label")
    wide = b"".join(b"\x94h" + bytes([i]) + b"\x86" for i in range(60))  # hashing it takes 2^60 steps
    refused(b"\x80\x04}N" + wide + b"Ns.", "a key that is not a label")


def test_nested_tuples_are_not_names(refused):
    wide = b"".join(b"\x94h" + bytes([i]) + b"\x86" for i in range(60))  # printing it takes 2^60 characters
    refused(b"\x80\x04N" + wide + b"N\x93.", "without a name")
    refused(b"\x80\x04ctorch._utils\n_rebuild_tensor_v2\nN" + wide + b"R.")


def test_loading_the_same_numbers_repeatedly(refused):
    whole = pickle.dumps(torch.zeros(4096))
    at = whole.index(LEGACY) - 4
    content = b"B" + whole[at : at + 4 + int.from_bytes(whole[at : at + 4], "little")]
    again = b"h\x00h\x01R"
    loads = b"\x80\x04ctorch.storage\n_load_from_bytes\n\x94" + content + b"\x85\x94"
    refused(loads + 1000 * again + b".", "something other than numbers")


@pytest.mark.slow
def test_instructions_are_counted(refused):
    refused(b"\x80\x04" + b")" * 1_000_001, "too many instructions")


def test_one_tensor_under_many_labels(refused):
    tensor = torch.ones(50, 64)
    refused({f"label {i}": tensor for i in range(99)}, "more numbers than it contains")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({}, "dict"),
        ([1], "EMPTY_LIST"),
        ({"dog": 3}, "dog"),
        ({"dog": "cat"}, "dog"),
        ({3: torch.ones(2, 2)}, "not a label"),
        ({"dog": np.ones((2, 2))}, "numpy"),
        ({"dog": torch.ones(2)}, "dog"),
        ({"dog": torch.ones(2, 2).long()}, "dog"),
        ({"dog": torch.ones(0, 2)}, "dog"),
        ({"dog": torch.ones(2, 2), "cat": torch.ones(2, 3)}, "cat"),
        ({"dog": torch.tensor([[1.0, 1], [0, 0]])}, "dog"),
        ({"dog": torch.full((2, 2), float("nan"))}, "dog"),
    ],
)
def test_values_that_are_not_centers(refused, value, word):
    refused(value, word)


@pytest.mark.slow
def test_random_damage_is_refused_or_changes_numbers_only(tmp_path):
    content = pickle.dumps(example())
    dice = random.Random(0)
    for _ in range(200):
        damaged = bytearray(content)
        damaged[dice.randrange(len(content))] = dice.randrange(256)
        write(tmp_path / "centers.pkl", bytes(damaged))
        try:
            loaded = load_centers_pickle(tmp_path / "centers.pkl")
            assert {v.shape[1] for v in loaded.values()} <= {8}
        except UnibindError as error:
            assert "\n" not in str(error)
