"""The same examples in every run: a failure is the code's, not the dice's."""

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")


def pytest_collection_modifyitems(items):
    """Tests over files beside the repository are none where there are no such files; pytest would call them skipped."""
    items[:] = [item for item in items if not any(_is_over_nothing(mark) for mark in item.iter_markers("skip"))]


def _is_over_nothing(mark):
    return "empty parameter set" in mark.kwargs.get("reason", "")
