"""Which requests `generate` makes: the plan, the questions and slots of a category, and the size of its requests."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest

from ...errors import UnibindError
from ..journal import QUESTIONS, Answer
from .client import count_prompt
from .progress import RECENT, CategoryProgress
from .prompts import Prompt, PromptLibrary
from .runner import request_key

_MIN_PER_REQUEST = 4  # descriptions per request, however many questions there are
_TOKENS_PER_DESCRIPTION, _TOKENS_PER_QUESTION = 34, 28  # with their JSON


@dataclass(frozen=True)
class GenerationPlan:
    """What to generate: `per_class` distinct descriptions of every category by all `models` in turn.

    Per modality, `questions` are asked for first (0: none, only the aspects guide the model). `aspects` None means
    those of each modality. `per_request` is the largest number of descriptions per request.
    """

    categories: tuple[str, ...]
    per_class: int
    models: tuple[str, ...]
    modalities: tuple[str, ...]
    aspects: tuple[str, ...] | None = None
    questions: int = 6
    per_request: int = 10

    def __post_init__(self) -> None:
        """Refuse plans that ask for nothing."""
        if min(self.per_class, self.per_request) < 1 or self.questions < 0:
            raise UnibindError("per_class and per_request must be at least 1, and questions at least 0")
        if not (self.categories and self.models and self.modalities):
            raise UnibindError("descriptions need at least one category, model and modality")

    def descriptions_per_request(self, slots: int) -> int:
        """Few where many slots share few descriptions."""
        return min(self.per_request, max(_MIN_PER_REQUEST, math.ceil(self.per_class / slots)))

    @property
    def max_output_tokens(self) -> int:
        """More than any answer to a request needs."""
        return 300 + 3 * max(self.per_request * _TOKENS_PER_DESCRIPTION, self.questions * _TOKENS_PER_QUESTION)


@dataclass(frozen=True)
class Slot:
    """One thing to ask about a category, in every round again."""

    modality: str
    aspect: str
    question: str | None = None


@dataclass(frozen=True)
class CategoryRequest:
    """One request about a category: for questions, or for descriptions of an aspect."""

    key: str
    kind: str
    category: str
    model: str
    modality: str
    aspect: str | None
    prompt: Prompt


def question_requests(plan: GenerationPlan, prompts: PromptLibrary, category: str) -> list[CategoryRequest]:
    """The first stage: one request for questions per modality."""
    requests = []
    for modality in plan.modalities if plan.questions else ():
        aspects = prompts.aspects(modality, plan.aspects)
        if aspects:
            prompt = prompts.questions(category, modality, aspects, plan.questions)
            model = plan.models[zlib.crc32(modality.encode()) % len(plan.models)]
            key = request_key(QUESTIONS, prompt.id, model, category, modality)
            requests.append(CategoryRequest(key, QUESTIONS, category, model, modality, None, prompt))
    return requests


def slots_of(plan: GenerationPlan, prompts: PromptLibrary, answers: Sequence[Answer]) -> list[Slot]:
    """What the second stage asks: the questions in `answers`, or the aspects of a modality without questions.

    Modalities take turns.
    """
    by_modality: list[list[Slot]] = []
    for modality in plan.modalities:
        aspects = prompts.aspects(modality, plan.aspects)
        questions = [text for answer in answers if answer.modality == modality for text in answer.texts]
        slots = [_question_slot(modality, aspects, i, text) for i, text in enumerate(questions) if text.endswith("?")]
        by_modality.append(slots[: plan.questions] or [Slot(modality, aspect) for aspect in aspects])
    return [slot for turn in zip_longest(*by_modality) for slot in turn if slot is not None]


def _question_slot(modality: str, aspects: Sequence[str], number: int, text: str) -> Slot:
    aspect, _, question = text.partition(":")
    if aspect.strip().lower() in aspects and question.strip():
        return Slot(modality, aspect.strip().lower(), question.strip())
    return Slot(modality, aspects[number % len(aspects)], text)


def description_requests(
    plan: GenerationPlan, prompts: PromptLibrary, progress: CategoryProgress, slots: Sequence[Slot], per_request: int
) -> Iterator[CategoryRequest]:
    """The second stage, without end: every slot once per round, by models in turn; answered requests are skipped.

    From the second round on, prompts list the latest descriptions as ones to avoid.
    """
    for turn in count():
        for slot in slots:
            start = zlib.crc32(f"{slot.modality}/{slot.aspect}/{slot.question}".encode())
            model = plan.models[(start + turn) % len(plan.models)]
            avoid = list(progress.recent.get((slot.modality, slot.aspect), ())) if turn else []
            prompt = prompts.descriptions(
                progress.category, slot.modality, slot.aspect, per_request, question=slot.question, avoid=avoid
            )
            parts = ("category", prompt.id, model, progress.category, slot.modality, slot.aspect, slot.question, turn)
            key = request_key(*parts)
            if key not in progress.done:
                yield CategoryRequest(key, "category", progress.category, model, slot.modality, slot.aspect, prompt)


def estimate_tokens(
    plan: GenerationPlan, prompts: PromptLibrary, progress: CategoryProgress
) -> Iterator[tuple[str, int, int]]:
    """(model, input tokens, output tokens) of each request that a category still needs, if every answer is new."""
    if progress.kept >= plan.per_class:
        return
    for request in question_requests(plan, prompts, progress.category):
        if request.key not in progress.done:
            yield request.model, count_prompt(request.prompt.messages), plan.questions * _TOKENS_PER_QUESTION
    aspect_slots = [Slot(m, a) for m in plan.modalities for a in prompts.aspects(m, plan.aspects)]
    slots = max(1, plan.questions * len(plan.modalities) if plan.questions else len(aspect_slots))
    per_request = plan.descriptions_per_request(slots)
    question = "x" * 4 * _TOKENS_PER_QUESTION if plan.questions else None
    for number in range(math.ceil((plan.per_class - progress.kept) / per_request)):
        slot = aspect_slots[number % len(aspect_slots)]
        avoid = ["x" * 4 * _TOKENS_PER_DESCRIPTION] * (RECENT if number >= slots else 0)
        prompt = prompts.descriptions(
            progress.category, slot.modality, slot.aspect, per_request, question=question, avoid=avoid
        )
        model = plan.models[number % len(plan.models)]
        yield model, count_prompt(prompt.messages), per_request * _TOKENS_PER_DESCRIPTION
