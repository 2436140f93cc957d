from dataclasses import replace

import pytest

from unibind.backbones import Contract
from unibind.errors import ContractError

IMAGE = Contract(
    space="toy@1", backbone="toy", modality="image", weights="w1", preprocessing={"size": 96, "crop": "middle"}
)


def test_the_hash_is_the_same_everywhere():
    assert IMAGE.hash == "506b15e0465a"  # stores on disk contain such hashes
    assert IMAGE.hash == replace(IMAGE, preprocessing={"crop": "middle", "size": 96}).hash


@pytest.mark.parametrize(
    "change",
    [
        {"space": "toy@2"},
        {"backbone": "other"},
        {"modality": "video"},
        {"weights": "w2"},
        {"preprocessing": {"size": 97, "crop": "middle"}},
        {"precision": "float16"},
        {"head": "h"},
        {"anchor": "texts@1"},
    ],
)
def test_the_hash_changes_with_every_part(change):
    assert replace(IMAGE, **change).hash != IMAGE.hash


@pytest.mark.parametrize(
    "contract", [IMAGE, IMAGE.with_head("abc"), replace(IMAGE, preprocessing={}), replace(IMAGE, anchor="texts@1")]
)
def test_json_round_trip(contract):
    again = Contract.from_json(contract.to_json())
    assert again == contract
    assert again.hash == contract.hash


def test_other_modalities_of_the_space_are_comparable():
    IMAGE.check_comparable(IMAGE)
    IMAGE.check_comparable(replace(IMAGE, modality="audio", weights="w9", preprocessing={}, head="h"))


def test_other_spaces_are_refused():
    with pytest.raises(ContractError, match=r"the query live in the space toy@1 and those in toy@2; encode both"):
        IMAGE.check_comparable(replace(IMAGE, space="toy@2", modality="audio"), here="the query")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (IMAGE.with_head("h"), "differ in head "),
        (replace(IMAGE, weights="w2", precision="float16"), "differ in weights, precision "),
        (replace(IMAGE, preprocessing={"size": 224}), "differ in preprocessing "),
    ],
)
def test_one_modality_must_agree_in_everything(other, named):
    with pytest.raises(ContractError, match=named) as refused:
        IMAGE.check_comparable(other)
    assert IMAGE.hash in str(refused.value)
    assert other.hash in str(refused.value)


def test_heads_form_a_chain_that_may_end_in_another_space():
    assert IMAGE.with_head("h") == replace(IMAGE, head="h")
    assert IMAGE.with_head("g").with_head("h").head == "g+h"
    outside = replace(IMAGE, anchor="texts@1")
    assert outside.with_head("h").anchor == "texts@1"
    assert outside.with_head("h", "texts@1") == replace(IMAGE, space="texts@1", head="h")


def test_a_tower_outside_the_anchor_space_is_distinguished_from_another_backbone():
    text = replace(IMAGE, space="texts@1", modality="text")
    outside = replace(IMAGE, anchor="texts@1")
    assert (outside.anchor_space, text.anchor_space, IMAGE.anchor_space) == ("texts@1", "texts@1", "toy@1")
    for one, other in ((outside, text), (text, outside)):
        with pytest.raises(
            ContractError,
            match=r"the image tower has its own space, toy@1; fit it .* or use `unibind bridge`",
        ):
            one.check_comparable(other)
    with pytest.raises(ContractError, match="differ in anchor"):
        IMAGE.check_comparable(outside)


def test_a_tower_is_anchored_to_the_texts_it_is_used_with():
    own, other = (replace(IMAGE, modality="text", space=space) for space in ("toy@1", "texts@1"))
    assert IMAGE.anchored_to(own) == IMAGE
    assert IMAGE.anchored_to(other) == replace(IMAGE, anchor="texts@1")
