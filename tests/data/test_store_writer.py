"""When what is encoded is written, on a clock that the tests set."""

import time
from types import SimpleNamespace

import pytest

from tests.helpers.random_store import TOY, random_vectors
from tests.helpers.toys import text_items
from tests.helpers.waiting import until
from unibind.data import store_writer
from unibind.data.store import Store
from unibind.data.store_writer import StoreWriter


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(store_writer, "time", clock)
    monkeypatch.setattr(store_writer, "_COMMIT_S", 0.5)  # the writer looks at the clock ten times as often
    return clock


def test_the_first_items_are_written_at_once_and_others_when_they_are_due(tmp_path, clock):
    store, items, vectors = Store.create(tmp_path / "store"), text_items(6), random_vectors(6, 0)
    writer = StoreWriter(TOY, store)
    writer.add(items[:2], vectors[:2])
    until(lambda: len(store) == 2)
    writer.add(items[2:4], vectors[2:4])
    time.sleep(0.3)  # the clock stands still: nothing is due
    assert len(store) == 2
    clock.now = 1.0
    until(lambda: len(store) == 4)
    writer.add(items[4:], vectors[4:])
    writer.close()
    assert len(Store.open(store.path)) == 6
