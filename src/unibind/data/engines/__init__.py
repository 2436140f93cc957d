"""Engines: where items are read and encoded. What comes before and after is the same for all of them."""

from collections.abc import Mapping
from types import MappingProxyType

from ...errors import UnknownNameError
from ...extras import check_extra
from .job import Engine, Job
from .local import run_here
from .ray_data.driver import run_on_ray

__all__ = ["ENGINES", "LOCAL", "Engine", "Job", "find_engine"]

LOCAL = "local"
ENGINES: Mapping[str, Engine] = MappingProxyType({LOCAL: Engine(run_here), "ray": Engine(run_on_ray, extra="scale")})


def find_engine(name: str) -> Engine:
    """The engine of this name; raises UnknownNameError, and MissingExtraError where its packages are missing."""
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    engine = ENGINES[name]
    if engine.extra is not None:
        check_extra(engine.extra, f"the engine {name}")
    return engine
