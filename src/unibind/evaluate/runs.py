"""Runs: what one evaluation measured, item by item, in JSON small enough to commit.

Figures with intervals over several seeds are made from such files (see `hierarchical_bootstrap`), without any vector.
A run of 288 objects in six modalities with a dozen methods takes about 6 kB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import UnibindError
from ..json_files import OBJECT, TEXT, check_fields
from .intervals import Group, Groups

_FIELDS = {"tower": TEXT, "data": TEXT, "measures": OBJECT}
_FIX = "measure again"
_MOST_STEPS = 255  # of a score that takes a byte
_NIBBLE = 15

Scores = Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Run:
    """What was measured with the towers of one seed on the data of one seed.

    `measures` maps a measure, such as "top1", to what was measured of each modality (or pair of modalities, as in
    "text to image"); its methods answer the same items.
    """

    tower: str
    data: str
    measures: Mapping[str, Groups]

    def to_json(self) -> dict[str, Any]:
        """The compact form.

        `measures` maps measure -> modality -> `objects`, a number [N] per item, or their count where the items are of
        objects 0, 1, 2, ... in order, and `scores`, method -> text. Equal numbers mean the same object in all
        modalities and measures. A text is "S:HEX", where each score is a whole number of S-ths: as a bit where S is 1,
        as a digit up to 15, else as two digits. Scores that are no such fractions are rounded to 255ths.
        """
        groups = [group for by_part in self.measures.values() for group in by_part.values()]
        numbers = {name: i for i, name in enumerate(dict.fromkeys(name for g in groups for name in g.objects))}
        measures = {
            measure: {part: _packed_group(group, numbers) for part, group in by_part.items()}
            for measure, by_part in self.measures.items()
        }
        return {"tower": self.tower, "data": self.data, "measures": measures}

    @classmethod
    def from_json(cls, recorded: Any, where: str = "the run") -> Run:
        """Inverse of `to_json`; raises UnibindError, naming `where` and the field, for what cannot be such a run."""
        facts = check_fields(recorded, _FIELDS, where, _FIX)
        try:
            measures = {
                measure: {part: _unpacked_group(packed) for part, packed in by_part.items()}
                for measure, by_part in facts["measures"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnibindError(f"{where} has damaged scores ({error}); {_FIX}") from None
        return cls(facts["tower"], facts["data"], measures)


def groups_of(runs: Iterable[Run], measure: str) -> dict[tuple[str, str], Groups]:
    """What `hierarchical_bootstrap` takes, for one measure of several runs.

    Raises UnibindError for two runs of the same seeds, and for a run without the measure.
    """
    found: dict[tuple[str, str], Groups] = {}
    for run in runs:
        if (run.tower, run.data) in found:
            raise UnibindError(f"two runs are of the tower {run.tower!r} on the data {run.data!r}; leave one out")
        if measure not in run.measures:
            raise UnibindError(f"the run of the tower {run.tower!r} on the data {run.data!r} did not measure {measure}")
        found[run.tower, run.data] = run.measures[measure]
    return found


def _packed_group(group: Group, numbers: Mapping[str, int]) -> dict[str, Any]:
    objects = [numbers[name] for name in group.objects]
    return {
        "objects": len(objects) if objects == list(range(len(objects))) else objects,
        "scores": {method: pack(np.asarray(scores, float)) for method, scores in group.correct.items()},
    }


def _unpacked_group(packed: Mapping[str, Any]) -> Group:
    objects: Sequence[int] = (
        range(packed["objects"]) if isinstance(packed["objects"], int) else [int(o) for o in packed["objects"]]
    )
    scores = {method: unpack(text, len(objects)) for method, text in packed["scores"].items()}
    return Group([str(number) for number in objects], scores)


def pack(scores: Scores) -> str:
    """Scores from 0 to 1 as text, exact where all are multiples of one fraction down to 1/255; see `Run.to_json`."""
    exact = (s for s in range(1, _MOST_STEPS + 1) if np.allclose(scores * s, np.round(scores * s), rtol=0, atol=1e-4))
    steps = next(exact, _MOST_STEPS)
    values = np.round(scores * steps).astype(np.uint8)
    if steps == 1:
        return f"1:{np.packbits(values).tobytes().hex()}"
    digits = 1 if steps <= _NIBBLE else 2
    return f"{steps}:{''.join(f'{value:0{digits}x}' for value in values.tolist())}"


def unpack(text: str, count: int) -> Scores:
    """The `count` scores of a text that `pack` made; raises ValueError for another text."""
    head, _, body = text.partition(":")
    steps = int(head)
    if steps == 1:
        values = np.unpackbits(np.frombuffer(bytes.fromhex(body), np.uint8))
        if not 0 <= len(values) - count < 8:  # the last byte is filled up
            raise ValueError(f"{len(values)} bits for {count} items")
        return values[:count].astype(float)
    digits = 1 if steps <= _NIBBLE else 2
    if len(body) != digits * count or not 1 < steps <= _MOST_STEPS:
        raise ValueError(f"{len(body)} digits for {count} items")
    return np.array([int(body[i : i + digits], 16) for i in range(0, len(body), digits)]) / steps
