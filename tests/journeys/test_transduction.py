"""Classifying many files at once: what is alike belongs together, and pools too small for that are said to be."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile

from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import tone
from tests.helpers.toys import ToyBackbone
from unibind.errors import UnibindError, UnknownNameError
from unibind.model import UniBind

pytestmark = pytest.mark.slow

CLASSES = "red,green,blue"
COLORS = {"red": (205, 130, 40), "green": (30, 220, 50), "blue": (40, 40, 210)}
STRAYS, STRAY_COLOR = 2, (165, 172, 40)  # of the red ones, which look greener than red
EACH = 12


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Twelve pictures of each class, and the toy backbone."""
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIBIND_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    paths = []
    for name, color in COLORS.items():
        for i in range(EACH):
            paths.append(Path(f"{name}{i:02}.png"))
            mean = STRAY_COLOR if name == "red" and i < STRAYS else color
            pixel = np.clip(np.array(mean) + rng.normal(0, 8, 3), 0, 255).astype(np.uint8)
            PIL.Image.fromarray(np.broadcast_to(pixel, (4, 4, 3)).copy()).save(paths[-1])
    return paths


def right(predictions, key):
    labels = [p[key] for p in predictions]
    return sum(label == p["item"][: len(label)] for label, p in zip(labels, predictions, strict=True))


def both_ways(paths, *options, **arguments):
    """The predictions of the command, after checking that Python gives the same."""
    predictions = run_json("classify", *paths, "--classes", CLASSES, "--backbone", "toy", *options)
    model = UniBind.zero_shot(CLASSES, backbone="toy")
    for told, found in zip(predictions, model.classify(paths, top=3, **arguments), strict=True):
        assert (told["label"], told["inductive_label"]) == (found.label, found.inductive_label)
        assert told["probability"] == pytest.approx(found.probability)
    return predictions


@pytest.mark.parametrize("options", [("--transductive",), ("--transductive-method", "em")])
def test_all_at_once_are_answered_better_and_both_answers_are_shown(files, options):
    predictions = both_ways(files, *options, transductive=True)
    assert right(predictions, "inductive_label") == len(files) - STRAYS
    assert right(predictions, "label") == len(files)
    assert all(sum(share for _, share in p["candidates"]) == pytest.approx(1) for p in predictions)
    alone = both_ways(files)
    assert [p["inductive_probability"] for p in predictions] == pytest.approx([p["probability"] for p in alone])
    assert {p["inductive_label"] for p in alone} == {None}


def test_the_table_names_the_other_answer_only_where_there_is_one(files):
    command = ("classify", *files, "--classes", CLASSES, "--backbone", "toy")
    together, alone = run(*command, "--transductive").stdout, run(*command).stdout
    assert "by itself" in together
    assert "by itself" not in alone


def test_the_order_and_the_batches_make_no_difference(files):
    model = UniBind.zero_shot(CLASSES, backbone="toy")
    first = model.classify(files, transductive=True)
    second = model.classify(files[::-1], transductive=True, batch_size=5)[::-1]
    assert [p.item for p in first] == [p.item for p in second]
    assert [p.probability for p in first] == pytest.approx([p.probability for p in second], abs=1e-5)
    by_vectors = model.classify_vectors(
        model.embed(files), ["image"] * len(files), [str(f) for f in files], transductive=True
    )
    assert [p.label for p in by_vectors] == [p.label for p in first]


@pytest.mark.parametrize(
    ("chosen", "options", "words"),
    [
        (slice(0, None, 9), ("--transductive",), "because its 4 items are too few for about 3 classes"),
        (slice(2 * EACH, None), ("--transductive",), "because its 12 items are nearly all of one class (100 %)"),
        (slice(EACH, None), ("--transductive-method", "transclip"), "are of about 2 classes, not of 3"),
    ],
)
def test_unfit_pools_get_the_answers_one_by_one_and_are_told_why(files, chosen, options, words, caplog):
    method = options[1] if len(options) > 1 else True
    predictions = both_ways(files[chosen], *options, transductive=method)
    assert caplog.text.count(words) == caplog.text.count("item by item") == 2  # by the command, and by Python
    assert predictions == both_ways(files[chosen])


def test_each_modality_is_a_pool_of_its_own(files, caplog):
    sound = tone("red", 0)
    soundfile.write("red.wav", sound.samples, sound.rate)
    predictions = both_ways([*files, "red.wav"], "--transductive", transductive=True)
    assert "audio is classified item by item, because its 1 item is too few for about 1 class" in caplog.text
    assert "image is classified" not in caplog.text
    assert predictions[-1]["inductive_label"] is None
    assert predictions[0]["inductive_label"] is not None


def test_one_unreadable_file_stops_no_pool(files):
    Path("broken.png").write_bytes(b"no picture")
    options = ("--classes", CLASSES, "--backbone", "toy", "--transductive")
    results = run_json("classify", *files, "broken.png", *options, code=2)
    assert right(results[:-1], "label") == len(files)
    assert results[-1]["error"] == "UnreadableError"


def test_a_class_prior_is_named_by_class(files):
    model = UniBind.zero_shot(CLASSES, backbone="toy")
    shares = {"red": 1 / 3, "green": 1 / 3, "blue": 1 / 3}
    given = model.classify(files, transductive=True, class_prior=shares)
    assert given == model.classify(files, transductive=True, class_prior="uniform")
    with pytest.raises(UnibindError, match="every class and to nothing else; check blue, pink"):
        model.classify(files, transductive=True, class_prior={"red": 0.5, "green": 0.4, "pink": 0.1})


def test_contradictions_are_refused_before_a_file_is_read():
    model = UniBind.zero_shot(CLASSES, backbone="toy")
    with pytest.raises(UnknownNameError, match="unknown transductive method 'tim'; choose one of: em, transclip"):
        model.classify("missing.png", transductive="tim")
    with pytest.raises(UnibindError, match="leave out transductive"):
        model.classify("missing.png", transductive=True, multi_label=True)
    with pytest.raises(UnibindError, match="pass transductive=True"):
        model.classify("missing.png", class_prior="uniform")
    assert (
        "unknown transductive method 'tim'"
        in run(
            "classify", "red00.png", "--classes", CLASSES, "--backbone", "toy", "--transductive-method", "tim", code=2
        ).stderr
    )
