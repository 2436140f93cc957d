"""The public names of the package: light to import, and the same objects whatever else is imported."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import unibind

HEAVY = ("torch", "numpy", "av", "lancedb", "matplotlib", "PIL", "transformers")


def python(code):
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def heavy_imports(code):
    return python(f"import sys\n{code}\nprint(*(m for m in {HEAVY} if m in sys.modules))").split()


@pytest.mark.parametrize("code", ["import unibind", "import unibind.cli", "import unibind; dir(unibind)"])
def test_start_up_imports_no_heavy_package(code):
    assert heavy_imports(code) == []


@pytest.mark.slow
def test_help_imports_no_heavy_package():
    help_ = "import unibind.cli\ntry: unibind.cli.app(['--help'])\nexcept SystemExit: print()"
    assert set(heavy_imports(help_)) & set(HEAVY) == set()


def test_every_public_name_exists():
    assert [name for name in unibind.__all__ if not hasattr(unibind, name)] == []
    assert set(unibind.__all__) <= set(dir(unibind))


def test_no_module_has_the_name_of_a_public_object():
    modules = {module.name for module in pkgutil.iter_modules(unibind.__path__)}
    assert modules & set(unibind.__all__) == set()


def test_public_names_stay_the_same_after_all_modules_are_imported():
    before = {name: getattr(unibind, name) for name in unibind.__all__}
    for module in pkgutil.walk_packages(unibind.__path__, "unibind."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert {name: getattr(unibind, name) for name in unibind.__all__} == before


@pytest.mark.slow
def test_verbs_are_functions_even_if_modules_of_that_name_are_imported_first():
    code = "import unibind, unibind.data.encode, unibind.align.fit, unibind.retrieval"
    assert python(f"{code}; print(*map(callable, (unibind.encode, unibind.fit, unibind.search)))") == "True True True"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = unibind.nonsense
