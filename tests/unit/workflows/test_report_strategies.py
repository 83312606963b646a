"""Strategies are compared by what the rows taught that they chose."""

import random
from dataclasses import replace

import pytest

from ml_backend.domain.example import Provenance, SelectedBy
from ml_backend.domain.progress import Progress
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.plans import plan_of
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.workflows.reporting.frozen_rows import FrozenRows
from ml_backend.workflows.reporting.rounds import strategies_to_json
from tests.unit.learning.builders import KEYWORDS, keyword_rows

CONFIG = """<View>
  <Text name="text" value="$body"/>
  <Choices name="intent" toName="text">{}</Choices>
</View>"""


@pytest.fixture(scope="module")
def rows(base_model: str) -> FrozenRows:
    """Rows 0 to 59 were chosen by a strategy and are labeled at random; 60 to 99 too, but well; the rest by chance."""
    labels = list(KEYWORDS)
    served = plan_of(CONFIG.format("".join(f'<Choice value="{label}"/>' for label in labels))).controls[0]
    rng = random.Random(3)
    keyword = keyword_rows(400 // len(labels))
    rng.shuffle(keyword)
    rows = []
    for number, row in enumerate(keyword):
        target = rng.choice(labels) if number < 60 else row.targets["intent"]
        way = Provenance((), selected_by=SelectedBy.ACTIVE if number < 100 else SelectedBy.RANDOM)
        own = replace(row, task_id=number, targets={"intent": target}, provenance=way)
        rows.append((own, Split.TEST if number >= 250 else Split.TRAIN))
    return FrozenRows(served, rows, TextEncoder.load(base_model), graphs=None, seed=5, report=Progress.ignore)


def test_a_strategy_whose_rows_mislead_is_told_from_one_that_chose_good_ones(rows: FrozenRows) -> None:
    chosen = dict.fromkeys(range(60), "rare") | dict.fromkeys(range(60, 100), "margin")

    margin, rare = strategies_to_json(rows, chosen, seed=5)

    assert (margin["strategy"], margin["rows"]) == ("margin", 40)
    assert (rare["strategy"], rare["rows"]) == ("rare", 60)
    assert margin["difference"][0] <= 0 <= margin["difference"][2]
    assert rare["difference"][2] < 0
    assert rare["difference"][1] == pytest.approx(rare["score"] - rare["random_score"], abs=2e-4)


def test_rows_that_no_list_had_are_those_of_label_studios_own_sampling(rows: FrozenRows) -> None:
    (active,) = strategies_to_json(rows, dict.fromkeys(range(39), "rare"), seed=5)

    assert (active["strategy"], active["rows"]) == ("active", 61)
