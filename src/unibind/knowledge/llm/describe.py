"""Descriptions of items by multimodal language models: one of each, asked again where the answer is of no use.

The items are shown as `showing` says. What the journal holds of an item is not asked again, so a run that was killed
goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ...data.loader import read_item
from ...data.manifest import Item
from ...errors import UnibindError
from ...modalities.limits import Limits
from ...modalities.messages import RenderOptions, render
from ..building import Built, rebuild, verdicts_of
from ..filters import ANY_LANGUAGE, Judge, Rules, fault
from ..journal import Answer, Edit, Journal, now
from ..truncate import Fits, shortened
from .client import Client, Message, Reply, count_prompt
from .generate import Estimate
from .parsing import texts_of
from .prompts import DESCRIPTIONS_SCHEMA, Prompt, Wording
from .runner import Group, RequestRunner, request_key

TRIES = 2  # answers that an item may take until a usable one; several models take turns
MOST_OUTPUT_TOKENS = 600
_SHORTEST, _LONGEST = 4, 300  # words of a usable answer, before it is shortened
_WORDS = 50  # asked for: what fits the 77 tokens of CLIP's text tower
_TOKENS_AN_ANSWER = 80
WRONG_LENGTH = "wrong length"
UNLABELLED = "it has no label to put a description under; give it one"


@dataclass(frozen=True)
class Plan:
    """Which items to describe, by which models (by turns), how they are shown, and whether their labels are told."""

    items: tuple[Item, ...]
    models: tuple[str, ...]
    manner: RenderOptions = field(default_factory=RenderOptions)
    tell_label: bool = False


@dataclass(frozen=True)
class Summary:
    """What a run did: items described now and before, why others are `missing` (by id), answers, requests made again,
    and why it ended early."""

    described: int
    there: int
    missing: dict[str, str]
    built: Built
    requests: int
    retried: int
    stopped: str | None


def choose(items: Iterable[Item], splits: Collection[str] | None = ("train",)) -> tuple[Item, ...]:
    """The items to describe: no texts, and of the given splits only (None: all), for a test item's description gives
    its label away. Items of a manifest without any split are all taken. Raises UnibindError where none is left.
    """
    shown = [item for item in items if item.modality != "text"]
    there = {item.split for item in shown if item.split is not None}
    chosen = tuple(item for item in shown if splits is None or not there or item.split in splits)
    if not chosen:
        named = f"; it has {', '.join(sorted(there))}" if there else ""
        raise UnibindError(f"the manifest has nothing to describe in the splits {', '.join(splits or ())}{named}")
    return chosen


# --- what is made of an answer -------------------------------------------------------------------------------------


def read_answer(said: str, language: str) -> tuple[str, str | None]:
    """A model's answer as one text without remarks around it, and why it is of no use (None: it is)."""
    sentences = texts_of(said, "descriptions")
    loose = Rules(1, 10**9, ANY_LANGUAGE)
    text = _joined([s for s in sentences if fault(s, loose) is None] or sentences)
    return text, fault(text, Rules(_SHORTEST, _LONGEST, language))


def _joined(sentences: Sequence[str]) -> str:
    """Sentences as one text; a missing full stop is added where a new sentence begins."""
    text = ""
    for sentence in sentences:
        text = f"{text if sentence[:1].islower() else _ended(text)} {sentence}".strip()
    return _ended(text)


def _ended(text: str) -> str:
    return text if not text or text.rstrip("\"')”»").endswith((".", "!", "?", "…")) else f"{text}."


# --- what is known and what to ask ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What is sent to a model once about an item."""

    key: str
    model: str
    prompt: Prompt


def requests_for(item: Item, plan: Plan, wording: Wording) -> Iterator[Request]:
    """The requests that may be made about an item, one after the other until an answer is usable."""
    prompt = wording.item(item.modality, _WORDS, label=item.label if plan.tell_label else None)
    manner = asdict(plan.manner)
    for turn in range(TRIES):
        model = plan.models[(zlib.crc32(item.id.encode("utf-8", "surrogatepass")) + turn) % len(plan.models)]
        yield Request(request_key("data", prompt.id, model, item.id, item.label, manner, turn), model, prompt)


@dataclass
class Past:
    """What the journal holds of items: which have a description, keys of the requests made, and what was wrong with
    the latest answer."""

    described: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)

    def take(self, answer: Answer, judge: Judge, edits: Mapping[str, Edit]) -> None:
        """Count an answer about an item; a description that a person has blocked is none."""
        self.keys.add(answer.key)
        ids = answer.ids()
        for name, verdict in zip(ids, verdicts_of(answer, ids, judge, edits), strict=True):
            edit = edits.get(name)
            if verdict.reason is None and (edit is None or edit.text is not None):
                self.described.add(str(answer.item))
                return
        blocked = any(name in edits for name in ids)
        self.faults[str(answer.item)] = (
            "blocked" if blocked else read_answer(answer.raw, judge.rules.language)[1] or "filtered out"
        )


def read_past(folder: Journal, items: Sequence[Item], rules: Rules, spent: Callable[[Answer], None]) -> Past:
    """What the journal says of these items under their labels; `spent` is called with every answer of the base."""
    wanted, past = {(item.id, item.label) for item in items}, Past()
    judge, edits = Judge(rules), folder.edits()
    for answer in folder.answers():
        spent(answer)
        if answer.kind == "data" and (answer.item, answer.category) in wanted:
            past.take(answer, judge, edits)
    return past


def _messages(item: Item, prompt: Prompt, manner: RenderOptions, limits: Limits) -> list[Message]:
    """The conversation about an item; raises what readers raise."""
    *before, last = prompt.messages
    shown = render(read_item(item, limits), manner)
    return [*before, {"role": "user", "content": [{"type": "text", "text": last["content"]}, *shown]}]


# --- asking --------------------------------------------------------------------------------------------------------


class Describer:
    """Fills a knowledge base with descriptions of items. `progress` is called with the number of items just done."""

    def __init__(
        self,
        folder: Journal,
        client: Client,
        plan: Plan,
        wording: Wording,
        rules: Rules,
        fits: Fits,
        *,
        concurrency: int = 8,
        limits: Limits | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.folder, self.client, self.plan, self.wording, self.rules = folder, client, plan, wording, rules
        self._fits, self._concurrency, self._limits = fits, concurrency, limits or Limits()
        self._report = progress or (lambda _: None)
        self._asker = RequestRunner(client)

    async def run(self) -> Summary:
        """Ask until every item has a description, or the budget or the server ends it; then rebuild the descriptions.

        An item that cannot be read or gets no usable answer is told in the summary and stops nothing. Raises
        ServerRefusal where the server wants nothing to do with us, and UnibindError while another process writes here;
        what was answered before is kept.
        """
        self.folder.lock()
        past = read_past(self.folder, self.plan.items, self.rules, self._count_spent)
        waiting = deque(item for item in self.plan.items if item.id not in past.described)
        there = len(self.plan.items) - len(waiting)
        outcomes: dict[str, str | None] = dict.fromkeys((item.id for item in waiting), "not asked yet")
        self._report(there)

        async def work() -> None:
            while waiting and not self._asker.stopped:
                item = waiting.popleft()
                outcomes[item.id] = await self._describe(item, past)
                self._report(1)

        async with Group() as group:
            for _ in range(min(len(waiting), self._concurrency)):
                group.start(work())
        built = await asyncio.to_thread(rebuild, self.folder, self.rules)
        self._asker.raise_refusal()
        missing = {name: why for name, why in outcomes.items() if why is not None}
        described = len(outcomes) - len(missing)
        asked, again = self._asker.requests, self.client.retried
        return Summary(described, there, missing, built, asked, again, self._asker.stopped)

    def _count_spent(self, answer: Answer) -> None:
        """A budget is for the base, not for one of the runs that it took."""
        self.client.budget.spend(answer.model, answer.input_tokens, answer.output_tokens)

    async def _describe(self, item: Item, past: Past) -> str | None:
        """Have an item described; returns why it is not, or None."""
        if item.label is None:
            return UNLABELLED
        why: str | None = past.faults.get(item.id)
        messages: list[Message] = []
        for request in requests_for(item, self.plan, self.wording):
            if request.key in past.keys:
                continue
            try:
                messages = messages or await asyncio.to_thread(
                    _messages, item, request.prompt, self.plan.manner, self._limits
                )
            except Exception as error:  # whatever the file or a decoder does
                return str(error) or f"{item.uri} could not be read ({type(error).__name__})"
            reply = await self._asker.ask(messages, DESCRIPTIONS_SCHEMA, request.model)
            if isinstance(reply, str):
                return reply
            why = self._keep(item, request, reply)
            if why is None:
                return None
        return f"no usable answer: {why}"

    def _keep(self, item: Item, request: Request, reply: Reply) -> str | None:
        """Write an answer down; returns what is wrong with it."""
        text, wrong = read_answer(reply.text, self.rules.language)
        texts = [] if wrong == WRONG_LENGTH else [text if wrong else shortened(text, self._fits)]
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
        self.folder.append_answer(answer)
        return wrong


# --- what it will cost ---------------------------------------------------------------------------------------------


def estimate(
    folder: Journal, plan: Plan, wording: Wording, rules: Rules, limits: Limits | None = None
) -> dict[str, Estimate]:
    """What describing the items would take, by model, if every first answer is usable; nothing is asked and nothing
    written. One readable item of each modality stands for all of them.
    """
    past = read_past(folder, plan.items, rules, lambda _: None)
    sizes: dict[str, int] = {}
    totals = {model: [0, 0, 0] for model in plan.models}
    for item in plan.items:
        request = next((r for r in requests_for(item, plan, wording) if r.key not in past.keys), None)
        if item.id in past.described or item.label is None or request is None:
            continue
        if item.modality not in sizes:
            try:
                sizes[item.modality] = count_prompt(_messages(item, request.prompt, plan.manner, limits or Limits()))
            except Exception:  # an unreadable item costs nothing
                continue
        for i, amount in enumerate((1, sizes[item.modality], _TOKENS_AN_ANSWER)):
            totals[request.model][i] += amount
    return {model: Estimate(*total) for model, total in totals.items()}
