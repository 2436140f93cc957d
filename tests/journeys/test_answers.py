"""Answers that one can use: which class, whether any, several, and why; on the command line and in Python."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

import unibind
from tests.helpers.axes import CLASSES, KNOWLEDGE, AxesBackbone, labeled_store, picture_of
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from unibind.errors import UnibindError

KNOWN, UNKNOWN, SHOWN = 3, 12, 40  # axes, and pictures of each


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with pictures of one class, of no class and of two, a store, and a base of descriptions."""
    folder = tmp_path_factory.mktemp("answers")
    for number in range(SHOWN):
        picture_of(KNOWN, number).save(folder / f"known{number}.png")
        picture_of(UNKNOWN, number).save(folder / f"unknown{number}.png")
        picture_of(KNOWN, number, and_axis=7).save(folder / f"both{number}.png")
    labeled_store(folder / "store", {"train": 8, "val": 12})
    rows = [
        {"category": d.category, "text": d.text, "aspect": d.aspect, "generator": d.generator}
        for d in KNOWLEDGE.descriptions
    ]
    (folder / "kb.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(autouse=True)
def workplace(kept, monkeypatch, tmp_path):
    """That folder is the working directory, and the backbone is installed."""
    register(monkeypatch, entry("axes", spec("axes", lambda argument=None, **options: AxesBackbone())))
    monkeypatch.chdir(kept)
    monkeypatch.setenv("UNIBIND_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def fitted(kept):
    model = unibind.fit(kept / "store", knowledge=KNOWLEDGE, backbone=AxesBackbone(), progress=False)
    model.save_pretrained(kept / "model")
    return model


ZERO_SHOT = ("--knowledge", "kb.jsonl", "--backbone", "axes")


def files(name):
    return [f"{name}{number}.png" for number in range(SHOWN)]


def zero_shot():
    return unibind.UniBind.zero_shot(knowledge="kb.jsonl", backbone="axes")


def plain(predictions):
    """Predictions as JSON has them."""
    return json.loads(json.dumps([vars(p) for p in predictions]))


# --- none of these ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_a_prior_nothing_is_none_of_these(fitted):
    predictions = fitted.classify(files("unknown"))
    assert {p.none_probability for p in predictions} == {0.0}
    assert all(p.accepted and p.labels == [p.label] for p in predictions)
    assert plain(predictions) == run_json("classify", *files("unknown"), "--model", "model", "--top", 5)
    said = run("classify", *files("unknown"), "--model", "model").stdout
    assert "none of these" not in said
    assert "answer" not in said


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", ["fit", "zero-shot"])
def test_with_a_prior_unknown_files_are_none_of_these(fitted, calibrated):
    model = fitted if calibrated == "fit" else zero_shot().calibrate("store")
    asked = ("--model", "model") if calibrated == "fit" else (*ZERO_SHOT, "--calibrate", "store")
    known, unknown = (model.classify(files(name), none_prior=0.5) for name in ("known", "unknown"))
    assert np.mean([p.accepted for p in known]) > 0.7
    assert np.mean([p.accepted for p in unknown]) < 0.2
    assert all((p.none_probability <= 0.5) == p.accepted for p in known + unknown)
    assert {p.answer for p in unknown if not p.accepted} == {"none of these"}
    for p in known + unknown:  # the probabilities of the classes do not change
        assert sum(share for _, share in p.candidates) <= 1 + 1e-9
    found = run_json("classify", *files("unknown"), *asked, "--none-prior", 0.5, "--top", 5)
    assert found == plain(unknown)
    said = run("classify", *files("unknown"), *asked, "--none-prior", 0.5).stdout
    assert said.count("none of these") > SHOWN * 0.8
    assert "none of these, %" in said


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_no_more_unknown_files_are_accepted_than_was_asked_for(fitted, rate):
    known, unknown = (fitted.classify(files(name), false_accept_rate=rate) for name in ("known", "unknown"))
    assert np.mean([p.accepted for p in unknown]) <= rate + 0.1
    assert np.mean([p.accepted for p in known]) > 0.6
    assert all(p.none_probability is None and (p.labels == []) == (not p.accepted) for p in known + unknown)
    found = run_json("classify", *files("unknown"), "--model", "model", "--false-accept-rate", rate, "--top", 5)
    assert found == plain(unknown)


@pytest.mark.parametrize(
    ("options", "arguments", "words"),
    [
        (("--none-prior", 0.1), {"none_prior": 0.1}, "not calibrated, so it cannot tell items of unknown classes"),
        (("--false-accept-rate", 0.1), {"false_accept_rate": 0.1}, "cannot tell items of unknown classes"),
        (("--multi-label",), {"multi_label": True}, "it cannot say of each class whether it applies"),
    ],
)
def test_an_uncalibrated_model_says_what_it_lacks(options, arguments, words):
    with pytest.raises(UnibindError, match=words):
        zero_shot().classify("known0.png", **arguments)
    done = run("classify", "known0.png", *ZERO_SHOT, *options, code=2)
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "arguments", "words"),
    [
        (
            ("--none-prior", 0.1, "--false-accept-rate", 0.1),
            {"none_prior": 0.1, "false_accept_rate": 0.1},
            "both decide what is accepted; give one of them",
        ),
        (("--none-prior", 1), {"none_prior": 1}, "at least 0 and below 1, not 1"),
        (("--false-accept-rate", 0), {"false_accept_rate": 0}, "between 0 and 1, not 0"),
        (("--multi-label", "--none-prior", 0.1), {"multi_label": True, "none_prior": 0.1}, "may have no label at all"),
        (("--multi-label", "--threshold", 2), {"multi_label": True, "threshold": 2}, "threshold is a probability"),
        (("--false-accept-rate", 0.001), {"false_accept_rate": 0.001}, "needs at least 1111 held-out items"),
    ],
)
def test_what_cannot_be_is_one_sentence(fitted, options, arguments, words):
    with pytest.raises(UnibindError, match=words):
        fitted.classify("known0.png", **arguments)
    done = run("classify", "known0.png", "--model", "model", *options, code=2)
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_two_classes_are_too_few_to_tell_others_from():
    model = unibind.UniBind.zero_shot(CLASSES[:2], knowledge=KNOWLEDGE, backbone=AxesBackbone()).calibrate("store")
    with pytest.raises(UnibindError, match="needs at least 3 classes, not 2"):
        model.classify("known0.png", none_prior=0.1)
    assert model.classify(picture_of(0), multi_label=True).labels == ["c0"]


def test_calibration_needs_items_of_the_classes(tmp_path):
    with pytest.raises(UnibindError, match=r"no items of the model's classes to calibrate it on in the split 'test'"):
        zero_shot().calibrate("store", split="test")
    zero_shot().save_pretrained(tmp_path / "saved")
    assert "Confidences are not calibrated." in (tmp_path / "saved" / "README.md").read_text()


# --- several labels --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_several_classes_may_apply(fitted):
    both, one, none = (fitted.classify(files(name), multi_label=True) for name in ("both", "known", "unknown"))
    assert np.mean([{label for label, _ in p.candidates[:2]} == {"c3", "c7"} for p in both]) > 0.8
    found = [label for p in both for label in p.labels]
    assert np.mean([label in ("c3", "c7") for label in found]) > 0.95
    assert len(found) > 1.2 * SHOWN
    assert np.mean([p.labels == ["c3"] for p in one]) > 0.8
    assert np.mean([p.labels == [] for p in none]) > 0.7
    assert all(p.accepted == bool(p.labels) for p in both + one + none)
    for p in both:
        assert p.labels == [label for label, share in p.candidates if share > 0.5]
        assert p.none_probability is None
    assert run_json("classify", *files("both"), "--model", "model", "--multi-label", "--top", 5) == plain(both)
    strict = fitted.classify(files("both"), multi_label=True, threshold=0.9)
    assert sum(len(p.labels) for p in strict) < sum(len(p.labels) for p in both)
    assert "c3, c7" in run("classify", *files("both"), "--model", "model", "--multi-label").stdout


# --- persistence -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_saved_model_answers_as_before(fitted, tmp_path):
    zero_shot().calibrate("store").save_pretrained(tmp_path / "saved")
    for folder, model in (("model", fitted), (tmp_path / "saved", zero_shot().calibrate("store"))):
        loaded = unibind.UniBind.from_pretrained(folder)
        assert loaded.calibration == model.calibration
        for how in ({"none_prior": 0.2}, {"false_accept_rate": 0.1}, {"multi_label": True}):
            assert plain(loaded.classify(files("known"), **how)) == plain(model.classify(files("known"), **how))
    assert "Confidences are calibrated for: image." in (tmp_path / "saved" / "README.md").read_text()


# --- why -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fit", "zero-shot"])
def test_an_explanation_has_what_every_description_contributed(fitted, kind):
    model, asked = (fitted, ("--model", "model")) if kind == "fit" else (zero_shot(), ZERO_SHOT)
    explanation = model.explain("known1.png")
    assert explanation.prediction.label == explanation.winner.label == "c3"
    vector = model.centered(model.embed(["known1.png"]), "image")
    scores = dict(zip(model.centers["image"].labels, model.centers["image"].scores(vector)[0], strict=True))
    for case in (explanation.winner, explanation.runner_up):
        assert case.score == pytest.approx(scores[case.label], abs=1e-5)
        assert sum(e.contribution for e in case.evidence) == pytest.approx(case.score)
        assert sum(e.share for e in case.evidence) == pytest.approx(1)
        assert {(e.aspect, e.generator) for e in case.evidence} == {("shape", "toy"), ("sound", "toy")}
        assert sum(case.aspects.values()) == pytest.approx(case.score)
    (found,) = run_json("explain", "known1.png", *asked)
    assert found == json.loads(json.dumps(explanation.to_json()))
    said = run("explain", "known1.png", *asked).stdout
    assert explanation.sentence in said
    assert all(word in said for word in ("c3 shape", "toy", "c3 by aspect: "))


@pytest.mark.slow
def test_an_explanation_is_a_picture_of_the_file_and_of_what_decided(fitted, tmp_path):
    done = run("explain", "known1.png", "unknown1.png", "--model", "model", "--png", tmp_path / "why.png")
    assert done.stderr.endswith(f"the picture: {tmp_path / 'why.png'}\n")
    with Pillow.open(tmp_path / "why.png") as drawn:
        two = drawn.size
        colors = {color for _, color in drawn.convert("RGB").getcolors(1 << 24)}
    assert {(51, 102, 204), (224, 138, 30)} <= colors  # bars of winner and runner-up
    fitted.explain(picture_of(KNOWN)).save_png(tmp_path / "one.png")
    with Pillow.open(tmp_path / "one.png") as drawn:
        assert (drawn.width, 2 * drawn.height) == pytest.approx(two, abs=2)
    done = run("explain", "known1.png", "--model", "model", "--png", tmp_path / "why.png", code=2)
    assert "--force" in done.stderr


def test_one_bad_file_does_not_stop_the_explanation_of_others(kept):
    (kept / "broken.png").write_bytes(b"no picture")
    done = run("explain", "broken.png", "known1.png", *ZERO_SHOT, code=2)
    assert "known1.png is most like c3" in done.stdout
    assert "broken.png" in done.stderr
    broken, explained = run_json("explain", "broken.png", "known1.png", *ZERO_SHOT, code=2)
    assert broken["error"] == "UnreadableError"
    assert explained["winner"]["label"] == "c3"
    assert "no classes to choose from" in run("explain", "known1.png", code=2).stderr
