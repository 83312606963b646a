"""The gate on held-out pairs of responses: what people chose must have gained on the other one in most of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Floats
from ...domain.example import Row, references_of
from ...domain.model import GateDecision, ModelVersion
from ...domain.ports import Predictor
from ...domain.preference import Preference
from ...domain.snapshot import Split, text_digest
from ...tasks import ServingPlan
from ..services import Services
from ..training.evaluate import answers_of
from ..training.preference_pairs import PreferencePairs

if TYPE_CHECKING:
    from ...measuring.error_budget import GateEvidence

__all__ = ["decide_on_pairs", "pairs_to_test"]

KEY_DIGITS = 16
NO_PAIR = "no held-out pair of responses, so {challenger} cannot be compared with {start}"


def pairs_to_test(
    services: Services, preferred: PreferencePairs, writer: Predictor, rows: Sequence[Row], plan: ServingPlan
) -> tuple[Preference, ...]:
    """Return the pairs of test tasks; where there are none, experts' responses against the former version's drafts.

    Held-out tasks are blind, so no draft of theirs was mended.

    Args:
        writer: the version that serves, which has answered the rows.
        rows: test rows with all responses to each, see `with_references`.
    """
    from ...learning.generation.prefer import against_drafts

    if preferred.splits[Split.TEST]:
        return preferred.splits[Split.TEST]
    start, served = preferred.start, preferred.served
    answered = [row for row in rows if served.name in row.targets]
    if writer.version != start.name:
        writer = services.load_predictor(start.path)
    drafts = [str(draft or "") for draft in answers_of(writer, answered, plan)[served.name]]
    experts = [(served.control.prompt_in(row.text), references_of(row.targets[served.name])) for row in answered]
    return against_drafts(experts, drafts)


def decide_on_pairs(
    services: Services,
    preferred: PreferencePairs,
    challenger: ModelVersion,
    pairs: Sequence[Preference],
    responses: GateDecision,
) -> "tuple[GateDecision, GateEvidence | None]":
    """Return the gate's decision on responses, to which that on pairs is added, and what the latter spent.

    The challenger is promoted where its reward accuracy is above one half by the gate's way of deciding, and its own
    responses passed: in more pairs than not, what people chose has gained on the other response since the version that
    it continues, which as its own reference is even with itself in every pair.

    Args:
        pairs: held out.
        responses: the decision on the responses that it writes.
    """
    from ...learning.generation.preferring import prefers
    from ...measuring.error_budget import ErrorBudget, GateEvidence
    from ...measuring.gate import decide
    from ...measuring.measures.base import PairedStatistics

    start, key = preferred.start, challenger.project_key
    if not pairs:
        return _both(responses, None, NO_PAIR.format(challenger=challenger.name, start=start.name)), None
    before, after = (_margins(version, preferred.served.name, pairs) for version in (start, challenger))
    accuracies = prefers(np.zeros(len(pairs))), prefers(after - before)
    decision, evidence = decide(
        {preferred.served.name: PairedStatistics.of_means("reward accuracy of pairs", *accuracies)},
        champion=start.name,
        challenger=challenger.name,
        keys=[_key(pair) for pair in pairs],
        budget=ErrorBudget(list(map(GateEvidence.from_bytes, services.database.gates.evidence(key)))),
        seed=services.options.seed,
        rows_are="held-out pair",
    )
    return _both(responses, decision, decision.reason), evidence


def _both(responses: GateDecision, pairs: GateDecision | None, reason: str) -> GateDecision:
    promote = responses.promote and pairs is not None and pairs.promote
    outcome = f"{responses.challenger} is promoted" if promote else f"{responses.champion} stays"
    return replace(
        responses,
        promote=promote,
        is_provisional=responses.is_provisional or (pairs is not None and pairs.is_provisional),
        reason=f"by pairs: {reason}. By responses: {responses.reason}. Both must pass: {outcome}",
        warnings=(*responses.warnings, *(pairs.warnings if pairs is not None else ())),
    )


def _margins(version: ModelVersion, control: str, pairs: Sequence[Preference]) -> Floats:
    from ...learning.generation.preferring import preference_margins
    from ...learning.generation.settings import GenerationSettings
    from ...models.bundle.bundle import read_bundle
    from ...models.generation.tuned_model import load_tuned_model

    bundle = read_bundle(version.path)
    position = next(place for place, part in enumerate(bundle.manifest.parts) if part.control == control)
    return preference_margins(
        load_tuned_model(bundle.part_folder(position)),
        pairs,
        max_length_tokens=bundle.manifest.parts[position].max_length_tokens,
        tokens_per_pass=GenerationSettings().tokens_per_pass,
    )


def _key(pair: Preference) -> int:
    return int(text_digest(f"{pair.prompt}\n{pair.chosen}\n{pair.rejected}")[:KEY_DIGITS], 16)
