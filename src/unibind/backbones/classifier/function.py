"""A classifier that is a function of the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UnibindError
from ...modalities import ANCHOR, check_modality, modality_names
from ..spec import License

_TOLERANCE = 1e-3  # of a sum of probabilities, which half precision rounds
_YOURS = "your function"


class FunctionClassifier:
    """`classify(raw)` -> probabilities [C], or with `prepare`: `classify(prepared [B, ...])` -> [B, C].

    What `make_input` makes are then probabilities or prepared tensors; see `ClassifierBackbone.from_callable`.
    """

    architecture = "function"
    precision = "float32"
    device = "cpu"

    def __init__(
        self,
        classify: Callable[..., Any],
        labels: Sequence[str],
        modality: str,
        *,
        version: str,
        prepare: Callable[[Any], Tensor] | None,
        license: License,
    ) -> None:
        if not isinstance(version, str) or not version.strip():
            raise UnibindError('version must be a text that changes whenever the probabilities do, such as "defects-3"')
        self.labels = _checked_labels(labels)
        self.modalities: tuple[str, ...] = (
            check_modality(modality, tuple(m for m in modality_names() if m != ANCHOR)),
        )
        self.license, self.fingerprint = license, version
        self.parameters: Mapping[str, Any] = {}
        self._classify, self._prepare = classify, prepare

    def make_input(self, _: str) -> FunctionInput:
        """The input of its modality."""
        return FunctionInput(self._classify, len(self.labels), self._prepare)

    def load(self, mixture: nn.Module) -> nn.Module:
        """The tower: batches of probabilities, or of prepared tensors, -> embeddings of `mixture`."""
        return _Tower(self._classify if self._prepare else None, len(self.labels), mixture)


class FunctionInput:
    """Raw item -> its prepared tensor, or without `prepare` its probabilities [C]."""

    def __init__(self, classify: Callable[..., Any], classes: int, prepare: Callable[[Any], Tensor] | None) -> None:
        self._classify, self._classes, self._prepare = classify, classes, prepare
        self.parameters: Mapping[str, Any] = {}

    def __call__(self, raw: Any) -> Tensor:
        """The tensor of one raw item."""
        if self._prepare is None:
            return probabilities(self._classify(raw), (self._classes,))
        prepared = self._prepare(raw)
        if not isinstance(prepared, Tensor):
            raise UnibindError(f"prepare returned a {type(prepared).__name__}; return a torch tensor")
        return prepared.detach().cpu()


class _Tower(nn.Module):
    def __init__(self, classify: Callable[[Tensor], Any] | None, classes: int, mixture: nn.Module) -> None:
        super().__init__()
        self.classes, self.mixture = classes, mixture
        self._held = (classify,)  # a model in a tuple is not part of this module, so the user's stays as it is

    def forward(self, batch: Tensor) -> Tensor:
        """Classify what is not classified yet, and mix."""
        (classify,) = self._held
        if classify is not None:
            batch = probabilities(classify(batch), (len(batch), self.classes))
        return self.mixture(batch.log())  # type: ignore[no-any-return]


def probabilities(value: Any, shape: tuple[int, ...]) -> Tensor:
    """What a function returned as float32 of this shape, [C] or [B, C].

    Raises UnibindError unless each row has finite numbers that are not negative and whose sum is 1.
    """
    try:
        rows = torch.as_tensor(value).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise UnibindError(f"{_YOURS} returned a {type(value).__name__}; return probabilities as numbers") from None
    if tuple(rows.shape) != shape:
        raise UnibindError(
            f"{_YOURS} returned numbers of shape {list(rows.shape)}; return probabilities {list(shape)}, one per label"
        )
    if not rows.isfinite().all():
        raise UnibindError(f"{_YOURS} returned numbers that are not finite; return probabilities")
    if (rows < 0).any() or ((rows.sum(dim=-1) - 1).abs() > _TOLERANCE).any():
        sums = rows.sum(dim=-1).reshape(-1)
        total = float(sums[(sums - 1).abs().argmax()])
        raise UnibindError(
            f"{_YOURS} returned numbers whose smallest is {float(rows.min()):.3g} and whose sum is {total:.3g}; "
            "return probabilities, for example the softmax of logits"
        )
    return rows


def _checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    if isinstance(labels, str) or len(labels) < 2 or not all(isinstance(n, str) and n.strip() for n in labels):
        raise UnibindError(f"labels must be two or more names in the order of the probabilities, not {labels!r:.80}")
    return tuple(labels)
