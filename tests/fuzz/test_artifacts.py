"""Damaged models, bridges, stores, bases and tables load to something valid, or are refused in one sentence."""

import pytest

from tests.fuzz import artifacts


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts") / "pristine"
    artifacts.write_all(folder)
    return folder


@pytest.mark.parametrize("kind", artifacts.ARTIFACTS)
def test_what_was_written_loads(pristine, kind):
    artifacts.ARTIFACTS[kind][1](pristine / kind)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 160, 20))
def test_mutated_artifacts(pristine, tmp_path, first):
    for seed in range(first, first + 20):
        artifacts.check(seed, pristine, tmp_path)


# --- damage that once loaded, or came out as a traceback --------------------------------------------------------------


def damaged_model(pristine, folder, name, mutate):
    model = folder / "model"
    artifacts.shutil.copytree(pristine / "model", model)
    (model / name).write_bytes(mutate((model / name).read_bytes()))
    return model


def with_number(data, number):
    """The safetensors file with its last number replaced."""
    return data[:-4] + artifacts.struct.pack("<f", number)


def with_field(data, change):
    """The JSON object with one field changed."""
    value = artifacts.json.loads(data)
    change(value)
    return artifacts.json.dumps(value).encode()


@pytest.mark.parametrize(
    ("name", "mutate", "words"),
    [
        ("centers.safetensors", lambda d: with_number(d, float("nan")), ("tensor 'text'", "not finite")),
        ("centers.safetensors", lambda d: with_number(d, float("inf")), ("tensor 'text'", "not finite")),
        ("centers.safetensors", lambda d: with_number(d, 1e30), ("centers of text", "longer than unit length")),
        ("heads.safetensors", lambda d: with_number(d, float("nan")), ("tensor 'image.weight'", "not finite")),
        (
            "unibind.json",
            lambda d: with_field(d, lambda v: v["calibration"]["image"].update(scale=float("nan"))),
            ("calibration of image", "'scale' is not a positive number"),
        ),
        (
            "unibind.json",
            lambda d: with_field(d, lambda v: v["calibration"]["image"].update(unknowns=0.2)),
            ("calibration of image", "'unknowns' is not an object or null"),
        ),
        (
            "unibind.json",
            lambda d: with_field(d, lambda v: v["calibration"]["image"]["label_odds"].update(offsets=[0, 0])),
            ("calibration of image", "2 offsets for 3 classes"),
        ),
        ("unibind.json", lambda d: with_field(d, lambda v: v.update(options=[])), ("'options' is not an object",)),
        (
            "unibind.json",
            lambda d: with_field(d, lambda v: v["contracts"]["image"].update(space=7)),
            ("contract of image", "'space' is not a text"),
        ),
        ("unibind.json", lambda d: with_field(d, lambda v: v.update(summary={"a": 1})), ("summary of the fit",)),
        ("unibind.json", lambda d: b"[" * artifacts.DEEP, ("nested too deeply",)),
    ],
)
def test_a_damaged_model_names_file_and_field(pristine, tmp_path, name, mutate, words):
    folder = damaged_model(pristine, tmp_path, name, mutate)
    with pytest.raises(artifacts.UnibindError) as refused:
        artifacts.load_model(folder)
    text = str(refused.value)
    assert "\n" not in text
    assert all(word in text for word in (str(folder), *words)), text
