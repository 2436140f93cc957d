import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from unibind import doctor
from unibind.backbones import Card, GoldenCheck
from unibind.cli import app
from unibind.doctor import BackboneState, diagnose
from unibind.extras import Extra

CARD = Card("mini", "", ("text",), dim=None, license=None, weights="")


@pytest.fixture(scope="module")
def diagnosis():
    return diagnose()


@pytest.mark.slow
def test_the_packages_of_the_tests_are_reported(diagnosis):
    states = {b.kind: b for b in diagnosis.backbones}
    assert diagnosis.healthy
    assert all(diagnosis.required.values())
    assert diagnosis.extras["imagebind"] == []
    assert {"mini", "imagebind", "transformers", "open_clip", "composed"} <= set(states)
    assert states["mini"].missing == ""
    assert states["transformers"].missing is None
    assert len(states["mini"].checks) == 7
    assert len(states["imagebind"].checks) == 8
    assert len(states["languagebind"].checks) == 9


def test_a_failed_check_is_reported(monkeypatch, diagnosis):
    bad = BackboneState("mini", CARD, "", [GoldenCheck("mini image", 0.2, 1e-3)])
    failing = replace(diagnosis, backbones=[bad])
    monkeypatch.setattr(doctor, "diagnose", lambda: failing)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "FAILED" in done.output
    machine = CliRunner().invoke(app, ["doctor", "--json"])
    assert machine.exit_code == 1
    assert json.loads(machine.output)["backbones"][0]["passed"] is False


def test_nan_does_not_pass():
    assert not GoldenCheck("x", float("nan"), 1.0).passed
    assert GoldenCheck("x", 0.5, 1.0).passed


@pytest.mark.slow
def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(doctor, "REQUIRED", {"no-such-package": "nothing"})
    monkeypatch.setattr(doctor, "EXTRAS", {"imagebind": Extra("texts", ("no_such_module",))})
    found = diagnose()
    assert not found.healthy
    assert found.required == {"no-such-package": None}
    assert found.extras == {"imagebind": ["no_such_module"]}
    assert {b.kind: b.missing for b in found.backbones}["imagebind"] == "install unibind[imagebind]"
