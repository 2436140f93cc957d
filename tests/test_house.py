"""The house keeps its order: modalities are named only in their own files, and listing them imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unibind
from unibind.modalities import ANCHOR, modality_names

SOURCE = Path(unibind.__file__).parent
MAY_NAME_MODALITIES = (
    "backbones/",  # their towers
    "heptad/",  # its files
    "__init__.py",  # the public names
    "compat/",  # those of the released checkpoints
)
TAKE_A_MODALITY = ("check_modality", "contract", "encode", "modality_spec", "pair", "preprocess", "read")
HEAVY = ("torch", "PIL", "av", "trimesh", "faery", "tifffile", "soundfile", "pyarrow")


EXTRAS = {("extras.py", "video")}  # names of extras, not of modalities


def may_name(path, name):
    return path == f"modalities/{name}.py" or (path, name) in EXTRAS


def sources():
    for file in sorted(SOURCE.rglob("*.py")):
        path = file.relative_to(SOURCE).as_posix()
        if not path.startswith(MAY_NAME_MODALITIES):
            yield path, ast.parse(file.read_text(encoding="utf-8"))


def names_anchor(node):
    """Strings "text" that mean the modality: compared, or passed as a modality.

    The word is also a column of tables and a type of message parts, so not every string counts.
    """
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        if any("type" in ast.unparse(o) for o in operands):  # part["type"] == "text"
            return []
        return [o for o in operands if isinstance(o, ast.Constant) and o.value == ANCHOR]
    if isinstance(node, ast.keyword) and node.arg in ("modality", "modalities"):
        return [n for n in ast.walk(node.value) if isinstance(n, ast.Constant) and n.value == ANCHOR]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in TAKE_A_MODALITY:
        return [a for a in node.args if isinstance(a, ast.Constant) and a.value == ANCHOR]
    return []


@pytest.mark.slow
def test_modalities_are_named_only_in_their_own_files():
    named = [
        f"{path}:{node.lineno} {node.value!r}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and node.value in set(modality_names()) - {ANCHOR}
        and not may_name(path, node.value)
    ]
    assert not named, "\n".join(["a modality is named outside its file:", *named])


@pytest.mark.slow
def test_the_anchor_is_named_by_its_constant():
    named = [
        f"{path}:{constant.lineno}"
        for path, tree in sources()
        if path != "modalities/registry.py"
        for node in ast.walk(tree)
        for constant in names_anchor(node)
    ]
    assert not named, "\n".join(["write ANCHOR for the anchor modality:", *named])


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["unibind.modalities.modality_names()", "unibind.modalities.reading.suffixes()"])
def test_listing_modalities_imports_nothing_heavy(statement):
    script = (
        "import sys, unibind.modalities, unibind.modalities.reading\n"
        f"{statement}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
