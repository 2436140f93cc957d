"""Descriptions of categories by language models, in rounds until there are enough unlike ones.

For every category and modality the model is first asked for good questions, then asked to answer each of them several
times over. Every request has a key that depends on nothing but what is asked, for the how-manieth time; what the
journal holds under a key is never asked again, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, zip_longest

from ...errors import UnibindError
from ..building import Built, known_verdicts, rebuild
from ..filters import Embed, Judge, Rules
from ..journal import QUESTIONS, Answer, Journal, now
from .client import Client, count_prompt
from .parsing import texts_of
from .progress import SHOWN, BatchedEmbedder, CategoryProgress
from .prompts import DESCRIPTIONS_SCHEMA, QUESTIONS_SCHEMA, Prompt, Wording
from .runner import Group, RequestRunner, request_key

PATIENCE = 6  # answers without anything new, or requests without answer, one after the other, until a class is given up
_FEWEST = 4  # descriptions asked for at once, however many questions there are
_TOKENS_A_DESCRIPTION, _TOKENS_A_QUESTION = 34, 28  # with their JSON
_PASSES = 3  # rounds of filling up what was dropped for fitting another class better


@dataclass(frozen=True)
class Plan:
    """What is wanted: `per_class` unlike descriptions of every category, from all `models` by turns.

    `questions` a modality are asked for first (0: none, aspects alone guide the model); `aspects` None means those of
    each modality; `per_request` is the most descriptions asked for at once.
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
            raise UnibindError("the numbers of descriptions must be at least 1, that of questions at least 0")
        if not (self.categories and self.models and self.modalities):
            raise UnibindError("descriptions need at least one category, model and modality")

    def at_once(self, slots: int) -> int:
        """Descriptions a request, so that many questions share few descriptions."""
        return min(self.per_request, max(_FEWEST, math.ceil(self.per_class / slots)))

    @property
    def most_output_tokens(self) -> int:
        """More than any answer to a request needs."""
        return 300 + 3 * max(self.per_request * _TOKENS_A_DESCRIPTION, self.questions * _TOKENS_A_QUESTION)


@dataclass(frozen=True)
class Slot:
    """One thing to ask about a category again and again."""

    modality: str
    aspect: str
    question: str | None = None


@dataclass(frozen=True)
class Request:
    """What is sent to a model once."""

    key: str
    kind: str
    category: str
    model: str
    modality: str
    aspect: str | None
    prompt: Prompt


@dataclass(frozen=True)
class Outcome:
    """How it stands with a category: descriptions `kept` of those `wanted`, and why there are no more."""

    category: str
    kept: int
    wanted: int
    why: str | None  # "yields nothing new", "stopped", "unanswered"; None where there are enough


@dataclass(frozen=True)
class Summary:
    """What a run did; `stopped` says in a sentence why it ended early."""

    outcomes: tuple[Outcome, ...]
    built: Built
    requests: int
    retried: int
    stopped: str | None


# --- what to ask ---------------------------------------------------------------------------------------------------


def question_requests(plan: Plan, wording: Wording, category: str) -> list[Request]:
    """The first stage: one request a modality."""
    requests = []
    for modality in plan.modalities if plan.questions else ():
        aspects = wording.aspects(modality, plan.aspects)
        if aspects:
            prompt = wording.questions(category, modality, aspects, plan.questions)
            model = plan.models[zlib.crc32(modality.encode()) % len(plan.models)]
            key = request_key(QUESTIONS, prompt.id, model, category, modality)
            requests.append(Request(key, QUESTIONS, category, model, modality, None, prompt))
    return requests


def slots_of(plan: Plan, wording: Wording, questions: Sequence[Answer]) -> list[Slot]:
    """What the second stage asks: the questions, and the bare aspects where there are none; modalities by turns."""
    by_modality: list[list[Slot]] = []
    for modality in plan.modalities:
        aspects = wording.aspects(modality, plan.aspects)
        asked = [text for answer in questions if answer.modality == modality for text in answer.texts]
        slots = [_question_slot(modality, aspects, i, text) for i, text in enumerate(asked) if text.endswith("?")]
        by_modality.append(slots[: plan.questions] or [Slot(modality, aspect) for aspect in aspects])
    return [slot for turn in zip_longest(*by_modality) for slot in turn if slot is not None]


def _question_slot(modality: str, aspects: Sequence[str], number: int, text: str) -> Slot:
    aspect, _, question = text.partition(":")
    if aspect.strip().lower() in aspects and question.strip():
        return Slot(modality, aspect.strip().lower(), question.strip())
    return Slot(modality, aspects[number % len(aspects)], text)


# --- filling a base --------------------------------------------------------------------------------------------------


class Generator:
    """Fills a knowledge base as planned. `progress` is called with the number of descriptions just won."""

    def __init__(
        self,
        folder: Journal,
        client: Client,
        plan: Plan,
        wording: Wording,
        rules: Rules,
        *,
        concurrency: int = 8,
        embed: Embed | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.folder, self.client, self.plan, self.wording, self.rules = folder, client, plan, wording, rules
        self._asker = RequestRunner(client)
        self._embed = embed
        self._bench = BatchedEmbedder(embed)
        self._report = progress or (lambda _: None)
        self._concurrency = concurrency
        self._active = 0
        self._current = {wording.descriptions_id(m, a) for m in plan.modalities for a in wording.aspects(m)}

    async def run(self) -> Summary:
        """Ask until every category has what is wanted, yields nothing new, or the budget or the server ends it; then
        rebuild the descriptions. Raises ServerRefusal where the server wants nothing to do with us, and UnibindError
        while another process writes here; what was answered before is kept.
        """
        self.folder.lock()
        for answer in self.folder.answers():  # a budget is for the base, not for one of the runs that it took
            self.client.budget.spend(answer.model, answer.input_tokens, answer.output_tokens)
        with self._bench:
            for number in range(_PASSES):
                outcomes = await self._fill(self._report if number == 0 else lambda _: None)
                built = await self._bench.aside(partial(rebuild, self.folder, self.rules, self._embed))
                lost = any(o.why is None and built.kept[o.category] < o.wanted for o in outcomes)
                if self._asker.stopped or not (lost and self.rules.drop_misfits):
                    break
        self._asker.raise_refusal()
        return Summary(tuple(outcomes), built, self._asker.requests, self.client.retried, self._asker.stopped)

    async def _fill(self, report_old: Callable[[int], None]) -> list[Outcome]:
        places = self.folder.index()
        known = known_verdicts(self.folder, self.rules)
        waiting = deque(self.plan.categories)
        outcomes: dict[str, Outcome] = {}

        async def work() -> None:
            while waiting:
                category = waiting.popleft()
                judge = Judge(self.rules, self._embed, known.get(category))
                state = CategoryProgress(category, judge, self.folder.edits())
                self._active += 1
                try:
                    await self._replay(state, places.get(category, ()), report_old)
                    outcomes[category] = await self._category(state)
                finally:
                    self._active -= 1

        async with Group() as group:
            for _ in range(min(len(waiting), self._concurrency)):
                group.start(work())
        return [outcomes[category] for category in self.plan.categories]

    async def _replay(self, state: CategoryProgress, places: Sequence[int], report: Callable[[int], None]) -> None:
        for answer in self.folder.answers_at(places):
            report(await self._bench.take(state, answer))
            ours = answer.model in self.plan.models and answer.prompt_id in self._current
            if answer.kind == "category" and not ours:
                state.stale = 0  # others' silence says nothing about these models and prompts

    async def _category(self, state: CategoryProgress) -> Outcome:
        wanted = self.plan.per_class
        if state.kept < wanted and state.stale < PATIENCE:
            slots = await self._slots(state)
            if slots:
                await self._fill_slots(state, slots)
        why = None
        if state.kept < wanted:
            asking_ended = "stopped" if self._asker.stopped else "unanswered"
            why = "yields nothing new" if state.stale >= PATIENCE else asking_ended
        return Outcome(state.category, state.kept, wanted, why)

    async def _slots(self, state: CategoryProgress) -> list[Slot]:
        requests = question_requests(self.plan, self.wording, state.category)
        async with Group() as group:
            for request in requests:
                if request.key not in state.done:
                    group.start(self._ask(request, state))
        return slots_of(self.plan, self.wording, [state.questions[r.key] for r in requests if r.key in state.questions])

    async def _fill_slots(self, state: CategoryProgress, slots: Sequence[Slot]) -> None:
        at_once = self.plan.at_once(len(slots))
        requests = self._requests(state, slots, at_once)
        pending = set[asyncio.Task[None]]()
        try:
            while True:
                while self._wants_more(state, at_once, len(pending)):
                    pending.add(asyncio.create_task(self._ask(next(requests), state)))
                if not pending:
                    return
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in pending:
                task.cancel()

    def _wants_more(self, state: CategoryProgress, at_once: int, pending: int) -> bool:
        if self._asker.stopped or pending >= max(2, math.ceil(1.5 * self._concurrency / self._active)):
            return False
        if state.stale and state.stale + pending >= PATIENCE:
            return False
        if state.unanswered and state.unanswered + pending >= PATIENCE:
            return False
        return self.plan.per_class - state.kept > pending * state.expected(at_once)

    def _requests(self, state: CategoryProgress, slots: Sequence[Slot], at_once: int) -> Iterator[Request]:
        """Endless: every slot once in every round, models by turns; what is done is left out."""
        for turn in count():
            for slot in slots:
                place = zlib.crc32(f"{slot.modality}/{slot.aspect}/{slot.question}".encode())
                model = self.plan.models[(place + turn) % len(self.plan.models)]
                avoid = list(state.recent.get((slot.modality, slot.aspect), ())) if turn else []
                prompt = self.wording.descriptions(
                    state.category, slot.modality, slot.aspect, at_once, question=slot.question, avoid=avoid
                )
                key = request_key(
                    "category", prompt.id, model, state.category, slot.modality, slot.aspect, slot.question, turn
                )
                if key not in state.done:
                    yield Request(key, "category", state.category, model, slot.modality, slot.aspect, prompt)

    async def _ask(self, request: Request, state: CategoryProgress) -> None:
        """Have a request answered, the answer written down, and only then counted."""
        asks_questions = request.kind == QUESTIONS
        schema = QUESTIONS_SCHEMA if asks_questions else DESCRIPTIONS_SCHEMA
        reply = await self._asker.ask(request.prompt.messages, schema, request.model)
        if isinstance(reply, str):
            state.unanswered += 1
            return
        state.unanswered = 0
        answer = Answer(
            request.key,
            request.kind,
            request.category,
            None,
            request.modality,
            request.aspect,
            request.prompt.id,
            request.model,
            texts_of(reply.text, "questions" if asks_questions else "descriptions"),
            reply.text,
            reply.input_tokens,
            reply.output_tokens,
            now(),
        )
        self.folder.append_answer(answer)
        self._report(await self._bench.take(state, answer))


# --- what it will cost ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """Requests and tokens, if every answer is new; repetitions cost more."""

    requests: int
    input_tokens: int
    output_tokens: int


def estimate(folder: Journal, plan: Plan, wording: Wording, rules: Rules) -> dict[str, Estimate]:
    """What filling the base would take, by model; nothing is asked and nothing written."""
    places, known, edits = folder.index(), known_verdicts(folder, rules), folder.edits()
    totals = {model: [0, 0, 0] for model in plan.models}

    def add(model: str, prompt: Prompt, output: int) -> None:
        for i, amount in enumerate((1, count_prompt(prompt.messages), output)):
            totals[model][i] += amount

    for category in plan.categories:
        state = CategoryProgress(category, Judge(rules, None, known.get(category)), edits)
        for answer in folder.answers_at(places.get(category, ())):
            state.take(answer, state.sift(answer))
        if state.kept >= plan.per_class:
            continue
        for request in question_requests(plan, wording, category):
            if request.key not in state.done:
                add(request.model, request.prompt, plan.questions * _TOKENS_A_QUESTION)
        asked = [Slot(m, a) for m in plan.modalities for a in wording.aspects(m, plan.aspects)]
        slots = max(1, plan.questions * len(plan.modalities) if plan.questions else len(asked))
        at_once = plan.at_once(slots)
        for number in range(math.ceil((plan.per_class - state.kept) / at_once)):
            slot = asked[number % len(asked)]
            shown = ["x" * 4 * _TOKENS_A_DESCRIPTION] * (SHOWN if number >= slots else 0)
            question = "x" * 4 * _TOKENS_A_QUESTION if plan.questions else None
            prompt = wording.descriptions(category, slot.modality, slot.aspect, at_once, question=question, avoid=shown)
            add(plan.models[number % len(plan.models)], prompt, at_once * _TOKENS_A_DESCRIPTION)
    return {model: Estimate(*total) for model, total in totals.items()}
