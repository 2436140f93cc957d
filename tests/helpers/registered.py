"""Registering backbones for a test, as if installed packages had entry points for them."""

from types import SimpleNamespace

from unibind.backbones import BackboneSpec, Card, registry


def spec(name, create, **changes):
    """A spec with a minimal card."""
    facts = {"summary": "", "modalities": ("text",), "dim": None, "license": None, "weights": "none", **changes}
    return BackboneSpec(Card(name, **facts), create)


def register(monkeypatch, *entries):
    """Make `entries` the only entry points of the group `unibind.backbones`."""
    monkeypatch.setattr(registry, "entry_points", lambda group: [e for e in entries if group == registry.GROUP])


def entry(name, value, *, load=None):
    """An entry point whose value is `value`, or what `load()` returns or raises."""
    return SimpleNamespace(name=name, value=f"package:{name}", load=load or (lambda: value))
