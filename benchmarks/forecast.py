"""How often forecasts of the labels that a target takes were right, where the truth is known.

    python -m benchmarks.forecast [--banking77 FOLDER] [--nlupp FOLDER] [--seeds 101 102 …] [--out FILE]

The folders hold `train.csv` of Banking77 (Casanueva et al. 2020, CC BY 4.0) and `data.jsonl` of NLU++ banking
(Casanueva et al. 2022, CC BY 4.0); the environment variables BANKING77 and NLUPP can name them as well. The tickets of
the demo are always there.

For every seed the rows are put in a random order and some are kept apart. The truth is the mean over the seeds of the
curve of regressions on the first m rows, scored on the rows kept apart, made monotone. At every cut point, the forecast
of `labelloop report` sees the first n rows alone. It is asked for the score that n times a random factor from 1.2 to 4
rows really reach, and is right where its interval holds that number of rows. An interval without an upper end is
counted apart. The likeliest number is compared with the guess that any target takes twice as many rows. Seeds below 100
were used to choose the constants of `measuring/learning_curve.py` and of the report's forecast.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.isotonic import IsotonicRegression

from benchmarks.support.banking77 import read_rows
from ml_backend.arrays import Floats, Floats2d
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.example import Provenance, Row, Target
from ml_backend.domain.label_config import Control, Label
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.progress import Progress
from ml_backend.domain.snapshot import Split
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.options import CostOptions
from ml_backend.tasks import ServedControl, find_kinds
from ml_backend.workflows.reporting.forecast import CurveForecast, LabelPrice
from ml_backend.workflows.reporting.frozen_rows import FrozenRows

CONTROL = "labels"
FACTORS = (1.2, 4.0)
GRID_POINTS = 16
NO_LEAD = np.zeros(1)
PRICE = LabelPrice(10.0, CostOptions())


@dataclass(frozen=True, slots=True)
class Data:
    """Labeled texts.

    Attributes:
        kept: rows that are kept apart in each run.
        cuts: numbers of rows at which a forecast is made.
    """

    name: str
    kind: str
    pairs: Sequence[tuple[str, Target]]
    kept: int
    cuts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Cut:
    """A forecast and the truth, in rows; high is None where the forecast leaves it open."""

    rows: int
    truth: float
    low: float
    middle: float | None
    high: float | None

    @property
    def holds(self) -> bool:
        return self.low <= self.truth <= (np.inf if self.high is None else self.high)

    @property
    def guess_error(self) -> float:
        """The error of the guess that twice as many rows suffice, as a share of the true number."""
        return abs(2 * self.rows - self.truth) / self.truth

    @property
    def error(self) -> float:
        """Of the likeliest number, as a share of the true one."""
        return float(np.inf) if self.middle is None else abs(self.middle - self.truth) / self.truth


class RememberingEncoder(TextEncoder):
    """Computes the vector of a text once."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__(encoder.backbone)
        self._known: dict[tuple[int, ...], Floats] = {}

    def vectors(self, tokenised: TokenisedTexts, **_: object) -> Floats2d:
        keys = [tuple(sequence) for sequence in tokenised.sequences]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        computed = super().vectors(TokenisedTexts.whole(new)) if new else ()
        self._known |= zip(new, computed, strict=True)
        return np.stack([self._known[key] for key in keys])


def main() -> None:
    """Measure, and print a line per set of data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--banking77", type=Path, default=os.environ.get("BANKING77"), help="folder of train.csv")
    parser.add_argument("--nlupp", type=Path, default=os.environ.get("NLUPP"), help="folder of data.jsonl")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(101, 111)))
    parser.add_argument("--out", type=Path, help="file for every forecast, as JSON")
    asked = parser.parse_args()
    encoder = RememberingEncoder(TextEncoder.load())
    print("| data | cut points | interval holds the truth | no upper end | median error | of twice as many |")
    print("|" + " --- |" * 6)
    everything: dict[str, list[Cut]] = {}
    for data in read_data(asked.banking77, asked.nlupp):
        everything[data.name] = measured(data, asked.seeds, encoder)
        show(data.name, everything[data.name])
    if len(everything) > 1:
        show("all", [cut for cuts in everything.values() for cut in cuts])
    if asked.out:
        lines = {
            name: [[each.rows, each.truth, each.low, each.middle, each.high] for each in cuts]
            for name, cuts in everything.items()
        }
        asked.out.write_text(json.dumps(lines), encoding="utf-8")


def read_data(banking77: Path | None, nlupp: Path | None) -> list[Data]:
    """The sets of data that are at hand, the tickets first."""
    tickets = [(ticket.text, ticket.label) for ticket in load_tickets()]
    found = [Data("the demo's tickets", "classification", tickets, 250, (75, 110, 160, 220, 300))]
    if nlupp:
        lines = map(json.loads, (Path(nlupp) / "data.jsonl").read_text(encoding="utf-8").splitlines())
        pairs = [(str(line["text"]), tuple(sorted(line["intents"]))) for line in lines]
        found.append(Data("NLU++ banking", "multiple_choice", pairs, 800, (250, 300, 350, 420, 500, 600, 700, 800)))
    if banking77:
        rows = [(row.text, row.targets["intent"]) for row in read_rows(Path(banking77) / "train.csv")]
        found.append(Data("Banking77", "classification", rows, 3000, (400, 500, 650, 850, 1100, 1400, 1800, 2300)))
    return found


def measured(data: Data, seeds: Sequence[int], encoder: TextEncoder) -> list[Cut]:
    """Every cut point of every seed."""
    served = served_control(data)
    grid = np.geomspace(data.cuts[0], len(data.pairs) - data.kept, GRID_POINTS).astype(int)
    truths = np.array([true_scores(data, served, seed, grid.tolist(), encoder) for seed in seeds])
    truth = IsotonicRegression().fit_transform(np.log(grid), truths.mean(axis=0))
    cuts = []
    for seed in seeds:
        pool = order_of(data, seed)[data.kept :]
        for number in data.cuts:
            farthest = min(FACTORS[1], grid[-1] / number)
            factor = np.exp(np.random.default_rng([seed, number]).uniform(np.log(FACTORS[0]), np.log(farthest)))
            target = float(np.interp(np.log(number * factor), np.log(grid), truth))
            rows = frozen(data, served, pool[:number], encoder, seed)
            forecast = CurveForecast(rows, number, NO_LEAD, seed=seed).to_json(target, PRICE)["forecast"]
            low, middle, high = (None if more is None else number + more for more in forecast["labels"])
            # Where the curve is flat, several numbers of rows reach the score; the first of them is the true one.
            first = int(np.argmax(truth >= target - 1e-9))
            count = (
                grid[0]
                if first == 0
                else np.exp(np.interp(target, truth[first - 1 : first + 1], np.log(grid[first - 1 : first + 1])))
            )
            cuts.append(Cut(number, float(count), float("inf") if low is None else low, middle, high))
            print(data.name, seed, number, cuts[-1], file=sys.stderr)
    return cuts


def true_scores(
    data: Data, served: ServedControl, seed: int, grid: Sequence[int], encoder: TextEncoder
) -> Sequence[float]:
    """Scores on the rows kept apart, of regressions on the first rows of the order."""
    order = order_of(data, seed)
    rows = frozen(data, served, order, encoder, seed)
    scored, train = np.arange(data.kept), np.arange(data.kept, len(order))
    answers = rows.answers([rows.fold(train, scored)], grid, in_order=True)
    return rows.scores(answers, scored).values.tolist()


def frozen(data: Data, served: ServedControl, places: Sequence[int], encoder: TextEncoder, seed: int) -> FrozenRows:
    """These rows as a report sees them."""
    rows = [
        (Row(str(i), int(i), {"text": data.pairs[i][0]}, {CONTROL: data.pairs[i][1]}, (), Provenance(())), Split.TRAIN)
        for i in places
    ]
    return FrozenRows(served, rows, encoder, graphs=None, seed=seed, report=unheard)


def order_of(data: Data, seed: int) -> Sequence[int]:
    """A random order of the rows, the ones that are kept apart first."""
    order: list[int] = np.random.default_rng(seed).permutation(len(data.pairs)).tolist()
    return order


def served_control(data: Data) -> ServedControl:
    """A control with the data's labels."""
    kind = find_kinds()[data.kind]
    labels = sorted({label for _, target in data.pairs for label in kind.labels_in(target)})
    choice = "single" if data.kind == "classification" else "multiple"
    control = Control(
        CONTROL,
        "Choices",
        ObjectTag("text", "Text", "text"),
        tuple(Label(name, name) for name in labels),
        {"choice": choice},
    )
    return ServedControl(control, kind)


def show(name: str, cuts: Sequence[Cut]) -> None:
    """Print a line of the table."""
    holds = sum(cut.holds for cut in cuts) / len(cuts)
    is_open = sum(cut.high is None for cut in cuts) / len(cuts)
    error = statistics.median(cut.error for cut in cuts)
    guess = statistics.median(cut.guess_error for cut in cuts)
    print(f"| {name} | {len(cuts)} | {holds:.1%} | {is_open:.1%} | {error:.1%} | {guess:.1%} |", flush=True)


def unheard(_: Progress) -> None:
    """Progress is not what is measured."""


if __name__ == "__main__":
    main()
