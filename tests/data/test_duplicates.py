import dataclasses

import numpy as np
import pytest

from unibind.backbones import Contract
from unibind.data.duplicates import Duplicate, find_duplicates, refuse_leaks
from unibind.data.file_facts import FileFacts
from unibind.data.manifest import Item
from unibind.data.rows import MISSING
from unibind.data.splits import train_and_validation
from unibind.data.store import Store
from unibind.errors import UnibindError


def store_of(path, *rows):
    """A store of (id, modality, split, content)."""
    store = Store.create(path)
    for name, modality, split, content in rows:
        contract = Contract(space="toy@1", backbone="toy", modality=modality, weights=modality)
        facts = None if content is None else FileFacts(1, 1, content)
        store.add(
            [Item(name, modality, uri=name, label="even" if str(content) in "02468" else "odd", split=split)],
            np.eye(1, 4, dtype=np.float32),
            contract,
            [facts],
        )
    return store


def test_the_same_content_is_found_per_modality(tmp_path):
    store = store_of(
        tmp_path / "store",
        ("a", "image", "train", "1"),
        ("b", "image", "val", "1"),
        ("c", "image", None, "1"),
        ("d", "image", "train", "2"),
        ("e", "thermal", "test", "2"),
        ("f", "image", "val", None),
        ("g", "image", "train", None),
        ("h", "audio", None, "3"),
        ("i", "audio", "val", "3"),
    )
    report = find_duplicates(store)
    assert report.groups == (
        Duplicate("image", "1", ("a", "b", "c"), ("train", "val", None)),
        Duplicate("audio", "3", ("h", "i"), (None, "val")),
    )
    assert [group.content for group in report.across_splits] == ["1"]
    assert report.message == (
        "3 stored items have the same content as another one; 1 of these contents is in several splits, which `fit` "
        "and `eval` refuse, such as a (train) = b (val) = c (no split)"
    )
    with pytest.raises(UnibindError, match=r"1 content is in several splits.*a \(train\) = b \(val\)"):
        refuse_leaks(store)
    refuse_leaks(store, ["audio", "thermal"])
    refuse_leaks(store, allow=True)


def test_items_whose_files_are_missing_leak_nothing(tmp_path):
    store = store_of(tmp_path / "store", ("a", "image", "train", "1"), ("b", "image", "val", "1"))
    store.update([dataclasses.replace(row, state=MISSING) for row in store.rows() if row.id == "a"])
    assert find_duplicates(store).message == ""
    refuse_leaks(store)


def test_an_automatic_split_keeps_copies_on_one_side(tmp_path):
    rows = [(f"{n}{copy}", "image", None, str(n)) for n in range(10) for copy in "ab"]
    split = train_and_validation(store_of(tmp_path / "store", *rows), validation="make")
    train, validation = split.train["image"].contents, split.validation["image"].contents
    assert len(validation) >= 2
    assert not set(train) & set(validation)
