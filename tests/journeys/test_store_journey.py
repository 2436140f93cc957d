"""One item is one item: a folder, then a table of its files; corrections, copies, deleted files, a moved project."""

import shutil
import time

import numpy as np
import pytest
from PIL import Image as Picture

import unibind
from tests.helpers.command import run, run_json
from unibind.data.upkeep import find_missing, relabel, remove, select

COLORS = {"red": (200, 40, 40), "green": (40, 180, 40), "blue": (40, 60, 200)}
PER_COLOR = 10


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with 30 noisy pictures in three folders, and the working directory in it."""
    folder = tmp_path / "project"
    noise = np.random.default_rng(0)
    for name, color in COLORS.items():
        (folder / "data" / name).mkdir(parents=True)
        for i in range(PER_COLOR):
            pixels = np.clip(np.array(color) + noise.normal(0, 25, (16, 16, 3)), 0, 255).astype(np.uint8)
            Picture.fromarray(pixels).save(folder / "data" / name / f"{i}.png")
    monkeypatch.chdir(folder)
    return folder


def table(project, name="m.csv", label=str):
    rows = [f"data/{c}/{i}.png,{label(c)},{'val' if i < 3 else 'train'}" for c in COLORS for i in range(PER_COLOR)]
    (project / name).write_text("\n".join(["path,label,split", *rows]))
    return name


def numbers(summary):
    names = ("encoded", "replaced", "updated", "unchanged", "missing", "quarantined")
    values = summary if isinstance(summary, dict) else {name: getattr(summary, name) for name in names}
    return {name: values[name] for name in names if values[name]}


@pytest.fixture(params=["cli", "python"])
def encode(request):
    """`encode(source)` on the command line and in Python: what the run did."""
    if request.param == "python":
        return lambda source: numbers(unibind.encode(source, store="store", progress=False))
    return lambda source: numbers(run_json("encode", source, "--out", "store"))


@pytest.mark.slow
def test_a_folder_and_then_a_table_of_its_files_are_the_same_items(project, encode):
    (project.parent / "link").symlink_to(project)
    assert encode("data") == {"encoded": 30}
    assert encode(table(project)) == {"updated": 30}
    for spelling in ("./data", project / "data", project.parent / "link" / "data"):
        assert encode(spelling) == {"unchanged": 30}
    assert encode(table(project, label=lambda c: f"{c} paint")) == {"updated": 30}
    store = unibind.Store.open("store")
    assert (len(store), len(store.rows())) == (30, 30)
    assert {(row.split, row.label.endswith(" paint")) for row in store.rows()} == {("train", True), ("val", True)}
    assert sum(row.split == "val" for row in store.rows()) == 9


@pytest.mark.slow
def test_a_copy_in_another_split_is_refused_until_it_is_removed(project):
    run("encode", table(project), "--out", "store")
    shutil.copytree("data/red", "copies/red")
    (project / "copies.csv").write_text(
        "file,label,split\n" + "".join(f"copies/red/{i}.png,red,train\n" for i in (0, 1))
    )
    shown = run("encode", "copies.csv", "--out", "store")
    assert "2 of these contents are in several splits" in shown.stderr
    assert "copies/red/0.png (train)" in shown.stderr
    for verb in (("fit", "store", "--out", "model", "--steps", 2), ("eval", "store")):
        assert "2 contents are in several splits of store" in run(*verb, code=2).stderr
        run(*verb, "--allow-duplicates")
    with pytest.raises(unibind.UnibindError, match=r"allow_duplicates=True"):
        unibind.fit("store")
    hits = unibind.search("copies/red/0.png", "store", k=40)
    assert len(hits) == 30
    assert [hit.uri for hit in hits if hit.score > 0.9999] == ["copies/red/0.png"]

    assert run_json("store", "remove", "store", "copies/*")["removed"] is False
    assert len(unibind.Store.open("store")) == 32
    assert len(run_json("store", "remove", "store", "copies/*", "--yes")["items"]) == 2
    run("fit", "store", "--out", "model2", "--steps", 2)


@pytest.mark.slow
def test_deleted_files_are_marked_listed_and_pruned(project, encode):
    encode(table(project))
    (project / "data" / "red" / "0.png").unlink()
    shutil.rmtree(project / "data" / "blue")
    assert encode("data") == {"unchanged": 19, "missing": 11}
    assert run_json("store", "show", "store")["missing"] == {"image": 11}
    assert unibind.Store.open("store").counts() == {"image": 19}
    listed = run_json("store", "prune", "store")
    assert (listed["removed"], len(listed["items"])) == (False, 11)
    store = unibind.Store.open("store")
    assert [row.id for row in find_missing(store)] == listed["items"]
    run("store", "prune", "store", "--yes")
    assert len(unibind.Store.open("store").rows()) == 19
    assert "0 items to remove" in run("store", "prune", "store").stderr


@pytest.mark.slow
def test_corrections_on_the_command_line_and_in_python(project):
    run("encode", "data", "--out", "store")
    assert run_json("store", "relabel", "store", "red/*", "--label", "pink")["changed"] == 10
    store = unibind.Store.open("store")
    assert relabel(store, select(store, ["blue/0.png"]), label="navy", split="validation") == 1
    assert numbers(run_json("encode", "data", "--out", "store")) == {"unchanged": 30}
    shown = run_json("store", "show", "store")
    assert shown["labels"]["image"] == {"green": 10, "pink": 10, "blue": 9, "navy": 1}
    assert shown["splits"]["image"] == {"null": 29, "val": 1}
    (project / "fixes.csv").write_text("path,class\ndata/blue/0.png,blue\nnowhere.png,x\n")
    assert run_json("store", "relabel", "store", "--table", "fixes.csv")["unknown"] == 1
    run("store", "relabel", "store", "--of-split", "val", "--clear", "split")
    assert {(r.label, r.split) for r in unibind.Store.open("store").rows() if r.id.endswith("blue/0.png")} == {
        ("blue", None)
    }
    assert "say what to write" in run("store", "relabel", "store", "*", code=2).stderr
    table_shown = run("store", "show", "store", "--items").stdout
    assert "pink 10" in table_shown
    assert "data/green/9.png" in table_shown
    remove(store, select(store, label="pink"))
    assert run_json("store", "show", "store")["items"] == {"image": 20}


@pytest.mark.slow
def test_a_moved_project_is_up_to_date(project, encode, monkeypatch):
    encode(table(project))
    before = unibind.Store.open("store").vectors("image")
    moved = project.parent / "moved"
    monkeypatch.chdir(project.parent)
    project.rename(moved)
    monkeypatch.chdir(moved)
    assert encode("m.csv") == {"unchanged": 30}
    after = unibind.Store.open("store").vectors("image")
    assert after.ids == [name.replace(str(project), str(moved)) for name in before.ids]
    assert np.array_equal(after.vectors, before.vectors)
    assert find_missing(unibind.Store.open("store")) == []


@pytest.mark.slow
def test_a_store_that_is_moved_alone_finds_its_files(project, encode):
    encode("data")
    store = unibind.Store.open("store")
    relabel(store, select(store, ["red/0.png"]), label="pink")
    before = store.vectors("image")
    (project / "runs" / "old").mkdir(parents=True)
    (project / "store").rename(project / "runs" / "old" / "store")
    assert numbers(unibind.encode("data", store="runs/old/store", progress=False)) == {"updated": 30}
    after = unibind.Store.open("runs/old/store").vectors("image")
    assert (after.ids, after.labels, after.uris) == (before.ids, before.labels, before.uris)
    assert np.array_equal(after.vectors, before.vectors)
    (project / "runs" / "old" / "store").rename(project / "store")
    assert encode("data") == {"updated": 30}


def test_new_pixels_under_an_old_name_are_encoded_again(project, encode):
    for name in ("green", "blue"):
        shutil.rmtree(project / "data" / name)
    encode("data")
    before = unibind.Store.open("store").vectors("image").vectors
    Picture.fromarray(np.full((16, 16, 3), 7, np.uint8)).save("data/red/0.png")
    time.sleep(0.01)
    assert encode("data") == {"replaced": 1, "unchanged": 9}
    changed = (unibind.Store.open("store").vectors("image").vectors != before).any(axis=1)
    assert changed.tolist() == [True] + [False] * 9


@pytest.mark.slow
def test_knowledge_of_items_follows_their_ids(project, caplog, monkeypatch):
    """Descriptions of validation items are left out of a fit, however their files were named."""
    unibind.encode(table(project), store="store", progress=False)
    described = unibind.read_manifest("./data")
    assert {item.id for item in described} == unibind.Store.open("store").ids()
    descriptions = [
        unibind.Description(str(i), item.label, f"a picture of {item.label} paint number {i}", item=item.id)
        for i, item in enumerate(described)
    ]
    base = unibind.KnowledgeBase([*descriptions, *unibind.KnowledgeBase.from_names(COLORS).descriptions])
    model = unibind.fit("store", knowledge=base, config=unibind.FitConfig(steps=2), progress=False)
    val = {row.id for row in unibind.Store.open("store").rows() if row.split == "val"}
    assert len(val) == 9
    assert {d.item for d in model.knowledge.descriptions if d.item} == {item.id for item in described} - val
    assert "files that are gone" not in caplog.text
    project.rename(project.parent / "moved")
    monkeypatch.chdir(project.parent / "moved")
    unibind.fit("store", knowledge=base, config=unibind.FitConfig(steps=2), progress=False)
    assert f"describes 30 files that are gone and not in the store, such as {project}" in caplog.text
