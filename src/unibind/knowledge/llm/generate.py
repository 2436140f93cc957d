"""Descriptions of categories by language models, in rounds until there are enough distinct ones.

For every category and modality the model is first asked for good questions, then asked to answer each of them several
times over. The key of a request depends only on its content and how many times it was made before; what the journal
contains under a key is never asked again, so a run that was killed continues where it stopped.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import UnibindError
from ...modalities import modality_names, modality_spec
from ..building import BuildResult, earlier_verdicts, rebuild
from ..embedding import CachedEmbedder
from ..embedding_cache import FOLDER
from ..filters import ClassFilter, EmbedTexts
from ..journal import QUESTIONS, Answer, now
from .budget import CostEstimate
from .client import Client
from .cost_bar import ProgressOption, cost_bar
from .parsing import extract_texts
from .plan import (
    CategoryRequest,
    GenerationPlan,
    Slot,
    description_requests,
    estimate_tokens,
    question_requests,
    slots_of,
)
from .progress import BatchedEmbedder, CategoryProgress
from .prompts import DESCRIPTIONS_SCHEMA, QUESTIONS_SCHEMA
from .runner import RequestRunner, run_blocking, run_together
from .session import BackboneSource, Session, Usage, resolve_backbone

PATIENCE = 6  # consecutive answers without a new description, or requests without an answer, that end a class
_MAX_PASSES = 3  # rounds of replacing descriptions that were removed as misfits

EXHAUSTED, STOPPED, UNANSWERED = "yields nothing new", "stopped", "unanswered"


@dataclass(frozen=True)
class Outcome:
    """Result for a category: descriptions `kept` of those `requested`, and the `reason` why there are no more ("yields
    nothing new", "stopped" or "unanswered"; None where there are enough).
    """

    category: str
    kept: int
    requested: int
    reason: str | None


@dataclass(frozen=True)
class GenerationResult:
    """Result of a run: the folder of the base, an outcome per category, counts of the build, and what the run used."""

    base: Path
    outcomes: tuple[Outcome, ...]
    built: BuildResult
    usage: Usage

    @property
    def incomplete(self) -> list[Outcome]:
        """Categories with too few descriptions."""
        return [outcome for outcome in self.outcomes if outcome.reason is not None]

    @property
    def misfits(self) -> Counter[str]:
        """Descriptions that fit another category better, by category."""
        return +self.built.misfits

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        kept = self.built.kept
        return {
            "base": str(self.base),
            "descriptions": kept.total(),
            "classes": {o.category: {"kept": kept[o.category], "reason": o.reason} for o in self.outcomes},
            "removed": self.built.removed,
            "misfits": self.misfits,
            **vars(self.usage),
        }


# --- the job -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerationJob:
    """A prepared run: `estimate` it or `run` it."""

    session: Session
    plan: GenerationPlan
    backbone: BackboneSource = None

    @property
    def total(self) -> int:
        """Descriptions requested of all categories together."""
        return len(self.plan.categories) * self.plan.per_class

    def estimate(self) -> dict[str, CostEstimate]:
        """Expected requests, tokens and cost by model; sends and writes nothing."""
        return estimate_generation(self.session, self.plan)

    def run(self, progress: ProgressOption = None) -> GenerationResult:
        """Ask until every category has enough descriptions, and rebuild the base.

        `progress` is a bool (None: a bar on a terminal), or is called with the number of descriptions just added.
        Raises as `Generator.run` does.
        """
        bar = cost_bar(self.total, self.session.budget, progress)
        with self.session.journal, self._open_embedder() as embed, bar as advance:
            return run_blocking(self._ask(embed, advance))

    async def _ask(self, embed: EmbedTexts | None, advance: Callable[[int], None]) -> GenerationResult:
        async with self.session.connect(self.plan.max_output_tokens) as client:
            return await Generator(self.session, self.plan, client, embed=embed, progress=advance).run()

    @contextmanager
    def _open_embedder(self) -> Iterator[EmbedTexts | None]:
        """What the filters compare texts with, through the base's cache; None where they do not compare them."""
        if not self.session.rules.need_embeddings:
            yield None
            return
        embedder = CachedEmbedder(self.session.journal.path / FOLDER, resolve_backbone(self.backbone))
        try:
            yield embedder
        finally:
            embedder.close()


def generation_job(
    classes: Sequence[str],
    out: str | Path,
    *,
    model: str | Sequence[str],
    per_class: int = 100,
    modalities: Sequence[str] | None = None,
    aspects: Sequence[str] | None = None,
    questions: int = 6,
    per_request: int = 10,
    backbone: BackboneSource = None,
    **session: Any,
) -> GenerationJob:
    """Prepare `per_class` distinct descriptions of every class, written to the base in the folder `out`.

    Several models take turns. Every class is described for each of the `modalities`: those of `backbone` if one is
    given, or all that are read from files. `aspects` limits what the descriptions are about. Per modality the model
    first writes `questions` (0: none), then at most `per_request` descriptions at a time. Near duplicates are found
    with the text tower of `backbone`. `session` are further arguments of Session: `base_url`, `language`, `filters` and
    `options`.

    Raises UnibindError where the plan asks for nothing, and UnknownNameError for a modality or aspect without prompts.
    """
    if modalities is None:
        modalities = _default_modalities() if backbone is None else resolve_backbone(backbone).modalities
    opened = Session(out, model, **session)
    plan = GenerationPlan(
        tuple(dict.fromkeys(classes)),
        per_class,
        opened.models,
        tuple(modalities),
        None if aspects is None else tuple(aspects),
        questions,
        per_request,
    )
    if not any(opened.prompts.aspects(modality, plan.aspects) for modality in plan.modalities):
        raise UnibindError(
            f"the modalities {', '.join(plan.modalities)} have none of the aspects {', '.join(plan.aspects or ())}; "
            "choose other aspects"
        )
    return GenerationJob(opened, plan, backbone)


def _default_modalities() -> tuple[str, ...]:
    """Modalities whose files are recognized by their names and that have a prompt phrase."""
    specs = [modality_spec(name) for name in modality_names()]
    return tuple(spec.name for spec in specs if spec.suffixes and spec.prompt_phrase)


# --- asking --------------------------------------------------------------------------------------------------------


class Generator:
    """Fills a base as planned. `progress` is called with the number of descriptions just added."""

    def __init__(
        self,
        session: Session,
        plan: GenerationPlan,
        client: Client,
        *,
        embed: EmbedTexts | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.session, self.plan, self.client = session, plan, client
        self._journal, self._prompts, self._rules = session.journal, session.prompts, session.rules
        self._runner = RequestRunner(client)
        self._embed = embed
        self._embedder = BatchedEmbedder(embed)
        self._report = progress or (lambda _: None)
        self._active = 0  # categories in progress
        self._current_prompts = {
            self._prompts.descriptions_id(m, a) for m in plan.modalities for a in self._prompts.aspects(m)
        }

    async def run(self) -> GenerationResult:
        """Ask until every category has enough descriptions or yields nothing new, or the budget or the server ends the
        run; then rebuild the base.

        Raises ServerRefusal where the server refuses all requests, and UnibindError while another process writes to the
        base; answers received before are kept.
        """
        self._journal.lock()
        self.session.budget.reset()
        for answer in self._journal.answers():
            self.session.count_spent(answer)
        with self._embedder:
            for number in range(_MAX_PASSES):
                outcomes = await self._fill(self._report if number == 0 else lambda _: None)
                built = await self._embedder.in_thread(partial(rebuild, self._journal, self._rules, self._embed))
                lost = any(o.reason is None and built.kept[o.category] < o.requested for o in outcomes)
                if self._runner.stopped or not (lost and self._rules.drop_misfits):
                    break
        self._runner.raise_refusal()
        usage = self.session.usage(self._runner.answered, self.client.retried, self._runner.stopped)
        return GenerationResult(self._journal.path, tuple(outcomes), built, usage)

    async def _fill(self, report_existing: Callable[[int], None]) -> list[Outcome]:
        offsets = self._journal.index()
        earlier = earlier_verdicts(self._journal, self._rules)
        waiting = deque(self.plan.categories)
        outcomes: dict[str, Outcome] = {}

        async def work() -> None:
            while waiting:
                category = waiting.popleft()
                class_filter = ClassFilter(self._rules, self._embed, earlier.get(category))
                progress = CategoryProgress(category, class_filter, self._journal.edits())
                self._active += 1
                try:
                    await self._replay(progress, offsets.get(category, ()), report_existing)
                    outcomes[category] = await self._fill_category(progress)
                finally:
                    self._active -= 1

        await run_together(work() for _ in range(min(len(waiting), self.session.options.concurrency)))
        return [outcomes[category] for category in self.plan.categories]

    async def _replay(self, progress: CategoryProgress, offsets: Sequence[int], report: Callable[[int], None]) -> None:
        for answer in self._journal.answers_at(offsets):
            report(await self._embedder.add(progress, answer))
            current = answer.model in self.plan.models and answer.prompt_id in self._current_prompts
            if answer.kind == "category" and not current:
                progress.stale = 0  # stale answers of other models or prompts say nothing about these

    async def _fill_category(self, progress: CategoryProgress) -> Outcome:
        requested = self.plan.per_class
        if progress.kept < requested and progress.stale < PATIENCE:
            slots = await self._slots(progress)
            if slots:
                await self._fill_slots(progress, slots)
        return Outcome(progress.category, progress.kept, requested, self._missing_reason(progress))

    def _missing_reason(self, progress: CategoryProgress) -> str | None:
        if progress.kept >= self.plan.per_class:
            return None
        if progress.stale >= PATIENCE:
            return EXHAUSTED
        return STOPPED if self._runner.stopped else UNANSWERED

    async def _slots(self, progress: CategoryProgress) -> list[Slot]:
        requests = question_requests(self.plan, self._prompts, progress.category)
        await run_together(self._ask(request, progress) for request in requests if request.key not in progress.done)
        answers = [progress.questions[r.key] for r in requests if r.key in progress.questions]
        return slots_of(self.plan, self._prompts, answers)

    async def _fill_slots(self, progress: CategoryProgress, slots: Sequence[Slot]) -> None:
        per_request = self.plan.descriptions_per_request(len(slots))
        requests = description_requests(self.plan, self._prompts, progress, slots, per_request)
        pending = set[asyncio.Task[None]]()
        try:
            while True:
                while self._needs_request(progress, per_request, len(pending)):
                    pending.add(asyncio.create_task(self._ask(next(requests), progress)))
                if not pending:
                    return
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in pending:
                task.cancel()

    def _needs_request(self, progress: CategoryProgress, per_request: int, pending: int) -> bool:
        share = math.ceil(1.5 * self.session.options.concurrency / self._active)  # of the requests in flight
        if self._runner.stopped or pending >= max(2, share):
            return False
        if progress.stale and progress.stale + pending >= PATIENCE:
            return False
        if progress.unanswered and progress.unanswered + pending >= PATIENCE:
            return False
        return self.plan.per_class - progress.kept > pending * progress.expected(per_request)

    async def _ask(self, request: CategoryRequest, progress: CategoryProgress) -> None:
        """Have a request answered, write the answer to the journal, and only then count it."""
        asks_questions = request.kind == QUESTIONS
        schema = QUESTIONS_SCHEMA if asks_questions else DESCRIPTIONS_SCHEMA
        reply = await self._runner.ask(request.prompt.messages, schema, request.model)
        if isinstance(reply, str):
            progress.unanswered += 1
            return
        progress.unanswered = 0
        answer = Answer(
            request.key,
            request.kind,
            request.category,
            None,
            request.modality,
            request.aspect,
            request.prompt.id,
            request.model,
            extract_texts(reply.text, "questions" if asks_questions else "descriptions"),
            reply.text,
            reply.input_tokens,
            reply.output_tokens,
            now(),
        )
        self._journal.append_answer(answer)
        self._report(await self._embedder.add(progress, answer))


# --- what it will cost ---------------------------------------------------------------------------------------------


def estimate_generation(session: Session, plan: GenerationPlan) -> dict[str, CostEstimate]:
    """Expected requests, tokens and cost by model, if every answer is new; repetitions add to it."""
    journal, rules = session.journal, session.rules
    offsets, earlier, edits = journal.index(), earlier_verdicts(journal, rules), journal.edits()
    totals = {model: [0, 0, 0] for model in plan.models}
    for category in plan.categories:
        progress = CategoryProgress(category, ClassFilter(rules, None, earlier.get(category)), edits)
        for answer in journal.answers_at(offsets.get(category, ())):
            progress.add(answer, progress.filter_plain(answer))
        for model, input_tokens, output_tokens in estimate_tokens(plan, session.prompts, progress):
            for i, amount in enumerate((1, input_tokens, output_tokens)):
                totals[model][i] += amount
    return {model: session.budget.estimate(model, *total) for model, total in totals.items()}
