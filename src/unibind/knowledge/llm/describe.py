"""Descriptions of items by multimodal language models: one per item, asked again where an answer is unusable.

What the journal contains about an item is not asked again, so a run that was killed continues where it stopped.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...data.intake import IntakeReport, ModalityChoice, Sources, normalized_split, read_manifest
from ...data.loader import read_item
from ...data.manifest import Item
from ...errors import UnibindError
from ...modalities import ANCHOR
from ...modalities.limits import Limits
from ...modalities.messages import RenderOptions, render
from ..building import BuildResult, rebuild, verdicts_on
from ..filters import ANY_LANGUAGE, WRONG_LENGTH, ClassFilter, FilterRules, rejection_reason
from ..journal import Answer, Edit, Journal, now
from ..truncate import FitsContext, fits_context, truncated
from .budget import CostEstimate
from .client import Client, Message, Reply, count_prompt
from .cost_bar import ProgressOption, cost_bar
from .parsing import extract_texts
from .prompts import DESCRIPTIONS_SCHEMA, Prompt, PromptLibrary
from .runner import RequestRunner, request_key, run_blocking, run_together
from .session import BackboneSource, Session, Usage, resolve_backbone

MAX_ANSWERS = 2  # per item until one is usable; several models take turns
MAX_OUTPUT_TOKENS = 600
NOT_ASKED = "not asked yet"
_MIN_WORDS, _MAX_WORDS = 4, 300  # of a usable answer, before it is truncated
_REQUESTED_WORDS = 50  # about what fits the 77 tokens of CLIP's text tower
_TOKENS_PER_ANSWER = 80


@dataclass(frozen=True)
class DescriptionPlan:
    """Which items to describe, by which models (in turn), how they are shown, and whether labels are revealed."""

    items: tuple[Item, ...]
    models: tuple[str, ...]
    render: RenderOptions = field(default_factory=RenderOptions)
    include_label: bool = False


@dataclass(frozen=True)
class DescriptionResult:
    """Result of a run: the folder of the base, items `described` now and `already_described`, the reason for each
    `missing` one by id, counts of the build, and what the run used.
    """

    base: Path
    described: int
    already_described: int
    missing: dict[str, str]
    built: BuildResult
    usage: Usage
    intake: IntakeReport = field(default_factory=IntakeReport)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "base": str(self.base),
            "descriptions": self.built.kept.total(),
            "described": self.described,
            "already_described": self.already_described,
            "missing": self.missing,
            "intake": asdict(self.intake),
            **vars(self.usage),
        }


def select_items(items: Iterable[Item], splits: Collection[str] | None = ("train",)) -> tuple[Item, ...]:
    """The items to describe: all but texts, of the given splits only (None: all).

    The description of a test item would give its label away, so only training items are described by default. Without
    any split in the manifest, all items are. Raises UnibindError where none is left.
    """
    visible = [item for item in items if item.modality != ANCHOR]
    existing = {item.split for item in visible if item.split is not None}
    wanted = None if splits is None else {normalized_split(split) for split in splits}
    selected = tuple(item for item in visible if wanted is None or not existing or item.split in wanted)
    if not selected:
        listed = f"; it has {', '.join(sorted(existing))}" if existing else ""
        raise UnibindError(f"the manifest has nothing to describe in the splits {', '.join(splits or ())}{listed}")
    return selected


# --- the job -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DescriptionJob:
    """A prepared run: `estimate` it or `run` it."""

    session: Session
    plan: DescriptionPlan
    backbone: BackboneSource = None
    intake: IntakeReport = field(default_factory=IntakeReport)  # what was left out of the manifest

    @property
    def total(self) -> int:
        """Items to describe."""
        return len(self.plan.items)

    def estimate(self) -> dict[str, CostEstimate]:
        """Expected requests, tokens and cost by model; sends and writes nothing."""
        return estimate_descriptions(self.session, self.plan)

    def run(self, progress: ProgressOption = None) -> DescriptionResult:
        """Ask until every item has a description, and rebuild the base.

        `progress` is a bool (None: a bar on a terminal), or is called with the number of items just done. Raises as
        `Describer.run` does.
        """
        fits = fits_context(resolve_backbone(self.backbone))
        with self.session.journal, cost_bar(self.total, self.session.budget, progress) as advance:
            return replace(run_blocking(self._ask(fits, advance)), intake=self.intake)

    async def _ask(self, fits: FitsContext, advance: Callable[[int], None]) -> DescriptionResult:
        async with self.session.connect(MAX_OUTPUT_TOKENS) as client:
            return await Describer(self.session, self.plan, client, fits, progress=advance).run()


def description_job(
    manifest: Sources,
    out: str | Path,
    *,
    model: str | Sequence[str],
    splits: Collection[str] | None = ("train",),
    modality: ModalityChoice = None,
    include_label: bool = False,
    render: RenderOptions | None = None,
    backbone: BackboneSource = None,
    **session: Any,
) -> DescriptionJob:
    """Prepare one description of each item of a manifest, written to the base in the folder `out`.

    `manifest` and `modality` are those of `read_manifest`. Only items of the `splits` are described (None: all).
    `include_label` reveals an item's label to the model. `render` says how items are shown. Texts are truncated to the
    context length of the text tower of `backbone`. `session` are further arguments of Session: `base_url`, `language`,
    `filters` and `options`.

    Raises what `read_manifest` and `select_items` raise.
    """
    opened = Session(out, model, **session)
    items = read_manifest(manifest, modality=modality)
    plan = DescriptionPlan(select_items(items, splits), opened.models, render or RenderOptions(), include_label)
    return DescriptionJob(opened, plan, backbone, items.report)


# --- using an answer -----------------------------------------------------------------------------------------------


def parse_answer(answer: str, language: str) -> tuple[str, str | None]:
    """A model's answer as one text without remarks around it, and why it is unusable (None: it is usable)."""
    sentences = extract_texts(answer, "descriptions")
    no_remarks = FilterRules(1, 10**9, ANY_LANGUAGE)
    text = _joined([s for s in sentences if rejection_reason(s, no_remarks) is None] or sentences)
    return text, rejection_reason(text, FilterRules(_MIN_WORDS, _MAX_WORDS, language))


def _joined(sentences: Sequence[str]) -> str:
    """Sentences as one text; a missing full stop is added before a new sentence."""
    text = ""
    for sentence in sentences:
        text = f"{text if sentence[:1].islower() else _ended(text)} {sentence}".strip()
    return _ended(text)


def _ended(text: str) -> str:
    return text if not text or text.rstrip("\"')”»").endswith((".", "!", "?", "…")) else f"{text}."


# --- which requests are left ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ItemRequest:
    """One request about an item."""

    key: str
    model: str
    prompt: Prompt


def item_requests(item: Item, plan: DescriptionPlan, prompts: PromptLibrary) -> Iterator[ItemRequest]:
    """The requests that may be made about an item, one after the other until an answer is usable."""
    prompt = prompts.item(item.modality, _REQUESTED_WORDS, label=item.label if plan.include_label else None)
    render = asdict(plan.render)
    start = zlib.crc32(item.id.encode("utf-8", "surrogatepass"))
    for turn in range(MAX_ANSWERS):
        model = plan.models[(start + turn) % len(plan.models)]
        yield ItemRequest(request_key("data", prompt.id, model, item.id, item.label, render, turn), model, prompt)


@dataclass
class PastAnswers:
    """What the journal contains about items: ids of described ones, keys of requests made, and what was wrong with the
    latest answer by item id.
    """

    described: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, answer: Answer, class_filter: ClassFilter, edits: Mapping[str, Edit]) -> None:
        """Count an answer about an item; a blocked description does not count as one."""
        self.keys.add(answer.key)
        ids = answer.ids()
        for name, verdict in zip(ids, verdicts_on(answer, ids, class_filter, edits), strict=True):
            edit = edits.get(name)
            if verdict.reason is None and (edit is None or edit.text is not None):
                self.described.add(str(answer.item))
                return
        if any(name in edits for name in ids):
            problem = "blocked"
        else:
            problem = parse_answer(answer.raw, class_filter.rules.language)[1] or "filtered out"
        self.problems[str(answer.item)] = problem


def read_past_answers(
    journal: Journal, items: Sequence[Item], rules: FilterRules, on_answer: Callable[[Answer], None]
) -> PastAnswers:
    """What the journal contains about these items under their labels; `on_answer` is called with every answer."""
    labeled = {(item.id, item.label) for item in items}
    past, class_filter, edits = PastAnswers(), ClassFilter(rules), journal.edits()
    for answer in journal.answers():
        on_answer(answer)
        if answer.kind == "data" and (answer.item, answer.category) in labeled:
            past.add(answer, class_filter, edits)
    return past


def _messages(item: Item, prompt: Prompt, options: RenderOptions, limits: Limits) -> list[Message]:
    """The conversation about an item; raises what readers raise."""
    *before, last = prompt.messages
    shown = render(read_item(item, limits), options)
    return [*before, {"role": "user", "content": [{"type": "text", "text": last["content"]}, *shown]}]


# --- asking --------------------------------------------------------------------------------------------------------


class Describer:
    """Fills a base with descriptions of items. `progress` is called with the number of items just done."""

    def __init__(
        self,
        session: Session,
        plan: DescriptionPlan,
        client: Client,
        fits: FitsContext,
        *,
        limits: Limits | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.session, self.plan, self.client = session, plan, client
        self._fits, self._limits = fits, limits or Limits()
        self._report = progress or (lambda _: None)
        self._runner = RequestRunner(client)

    async def run(self) -> DescriptionResult:
        """Ask until every item has a description, or the budget or the server ends the run; then rebuild the base.

        An item that cannot be read or gets no usable answer is listed in the result and does not stop the run. Raises
        ServerRefusal where the server refuses all requests, and UnibindError while another process writes to the base;
        answers received before are kept.
        """
        journal, rules = self.session.journal, self.session.rules
        journal.lock()
        self.session.budget.reset()
        past = read_past_answers(journal, self.plan.items, rules, self.session.count_spent)
        waiting = deque(item for item in self.plan.items if item.id not in past.described)
        already_described = len(self.plan.items) - len(waiting)
        outcomes: dict[str, str | None] = dict.fromkeys((item.id for item in waiting), NOT_ASKED)
        self._report(already_described)

        async def work() -> None:
            while waiting and not self._runner.stopped:
                item = waiting.popleft()
                outcomes[item.id] = await self._describe(item, past)
                self._report(1)

        await run_together(work() for _ in range(min(len(waiting), self.session.options.concurrency)))
        built = await asyncio.to_thread(rebuild, journal, rules)
        self._runner.raise_refusal()
        missing = {name: reason for name, reason in outcomes.items() if reason is not None}
        usage = self.session.usage(self._runner.answered, self.client.retried, self._runner.stopped)
        described = len(outcomes) - len(missing)
        return DescriptionResult(journal.path, described, already_described, missing, built, usage)

    async def _describe(self, item: Item, past: PastAnswers) -> str | None:
        """Have an item described; returns why it is not, or None."""
        if item.label is None:
            return "the item has no label for its description; add one"
        problem: str | None = past.problems.get(item.id)
        messages: list[Message] = []
        for request in item_requests(item, self.plan, self.session.prompts):
            if request.key in past.keys:
                continue
            try:
                messages = messages or await asyncio.to_thread(
                    _messages, item, request.prompt, self.plan.render, self._limits
                )
            except Exception as error:  # decoders may raise anything
                return str(error) or f"{item.uri} could not be read ({type(error).__name__})"
            reply = await self._runner.ask(messages, DESCRIPTIONS_SCHEMA, request.model)
            if isinstance(reply, str):
                return reply
            problem = self._store(item, request, reply)
            if problem is None:
                return None
        return f"no usable answer: {problem}"

    def _store(self, item: Item, request: ItemRequest, reply: Reply) -> str | None:
        """Write an answer to the journal; returns what is wrong with it."""
        text, problem = parse_answer(reply.text, self.session.rules.language)
        texts = [] if problem == WRONG_LENGTH else [text if problem else truncated(text, self._fits)]
        answer = Answer(
            request.key,
            "data",
            str(item.label),
            item.id,
            item.modality,
            None,
            request.prompt.id,
            request.model,
            texts,
            reply.text,
            reply.input_tokens,
            reply.output_tokens,
            now(),
        )
        self.session.journal.append_answer(answer)
        return problem


# --- what it will cost ---------------------------------------------------------------------------------------------


def estimate_descriptions(
    session: Session, plan: DescriptionPlan, limits: Limits | None = None
) -> dict[str, CostEstimate]:
    """Expected requests, tokens and cost by model, if every first answer is usable.

    One readable item per modality stands for all items of that modality.
    """
    past = read_past_answers(session.journal, plan.items, session.rules, lambda _: None)
    prompt_tokens: dict[str, int] = {}  # by modality
    totals = {model: [0, 0, 0] for model in plan.models}
    for item in plan.items:
        requests = item_requests(item, plan, session.prompts)
        request = next((request for request in requests if request.key not in past.keys), None)
        if item.id in past.described or item.label is None or request is None:
            continue
        if item.modality not in prompt_tokens:
            try:
                messages = _messages(item, request.prompt, plan.render, limits or Limits())
            except Exception:  # an unreadable item costs nothing
                continue
            prompt_tokens[item.modality] = count_prompt(messages)
        for i, amount in enumerate((1, prompt_tokens[item.modality], _TOKENS_PER_ANSWER)):
            totals[request.model][i] += amount
    return {model: session.budget.estimate(model, *total) for model, total in totals.items()}
