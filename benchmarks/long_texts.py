"""Quality of choices on long texts and on texts of several fields, made of Banking77's questions.

    python -m benchmarks.long_texts --data BANKING77_FOLDER [--seeds 1 2 3] [--sets last majority] [--method auto]

The folder holds `train.csv` and `test.csv` with columns `text,category` (Casanueva et al. 2020, CC BY 4.0; the files of
PolyAI's task-specific-datasets). The environment variable BANKING77 can name it as well. Train rows are made of
questions of the train file and test rows of questions of the test file, classes drawn with the seed:

    first, middle, last     6 classes, 40 rows each; the question that tells the class stands there among 60 questions
                            of the other 71 classes, and all of them are joined to one text
    majority                15 classes, 20 rows each; 10 to 30 questions, 4 in 10 of them of the class of the text, the
                            others of any class
    subject, body           15 classes, 40 rows each, of two fields: the one is a question that tells the class, the
                            other one is a question of the other 62 classes
    long_body               the same as subject, with 25 such questions in the body

On frozen features a regression learns from them, long texts being read in several ways: their first 256 tokens; windows
of 256 tokens, whose vectors are averaged; sentences, whose logits are averaged (`mean`) or whose strongest decide
(`strongest`). Then a training with default settings chooses by itself. Texts of fields are compared with the telling
field alone, and with one readable text of all fields. Macro-F1 on the test rows is shown, and a table in the end.
"""

import argparse
import os
import platform
import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.report.markdown import table
from benchmarks.support.texts import read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.domain.example import Target
from ml_backend.domain.field_texts import field_texts, join_fields, readable_text
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import TrainingData
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.bundle.bundle import read_bundle
from ml_backend.models.graphs.store import GraphStore
from ml_backend.models.text.pooling import Pooling
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder

FIELDS = ("subject", "body")
AROUND, REGRESSION_C, ITERATIONS = 60, 30.0, 1000

Rows = list[tuple[str, Target]]
Questions = Mapping[str, Sequence[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of the two files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS), metavar="SET")
    parser.add_argument("--method", type=Method, default=Method.AUTO, help="of the training; default: auto")
    parser.add_argument("--skip-training", action="store_true", help="the regressions on frozen features alone")
    parser.add_argument("--skip-frozen", action="store_true", help="the trainings alone")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    files = [questions_in(Path(arguments.data) / f"{name}.csv") for name in ("train", "test")]
    encoder = TextEncoder.load()
    scores: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for name in arguments.sets:
        for seed in arguments.seeds:
            train, test = (SETS[name](questions, seed) for questions in files)
            for way, score in () if arguments.skip_frozen else frozen_scores(encoder, train, test).items():
                show(name, seed, way, score, scores)
            if not arguments.skip_training:
                way, score = trained_score(train, test, TrainingSettings(method=arguments.method, seed=seed))
                show(name, seed, way, score, scores)
    show_table(scores)


def questions_in(path: Path) -> Questions:
    """The questions of a file by class."""
    questions: defaultdict[str, list[str]] = defaultdict(list)
    for text, label in read_pairs(path):
        questions[label].append(" ".join(text.split()))
    return questions


def drawn(questions: Questions, seed: int, classes: int) -> tuple[random.Random, list[str], list[str]]:
    """A generator, classes drawn with the seed, and the questions of the others."""
    rng = random.Random(seed)
    chosen = sorted(rng.sample(sorted(questions), classes))
    return rng, chosen, [text for name in sorted(set(questions) - set(chosen)) for text in questions[name]]


def one_tells(place: float) -> Callable[[Questions, int], Rows]:
    """Rows whose telling question stands at a place, from 0 to 1."""

    def rows(questions: Questions, seed: int) -> Rows:
        rng, classes, others = drawn(questions, seed, 6)
        made: Rows = []
        for name in classes:
            for question in rng.sample(questions[name], 40):
                texts = rng.sample(others, AROUND)
                texts.insert(round(place * AROUND), question)
                made.append((" ".join(texts), name))
        return made

    return rows


def most_tell(questions: Questions, seed: int) -> Rows:
    """Rows of many questions, 4 in 10 of them of the row's class."""
    rng, classes, _ = drawn(questions, seed, 15)
    pool = [text for name in sorted(questions) for text in questions[name]]
    made: Rows = []
    for name in classes:
        for _ in range(20):
            count = rng.randint(10, 30)
            own = round(0.4 * count)
            texts = rng.choices(questions[name], k=own) + rng.choices(pool, k=count - own)
            rng.shuffle(texts)
            made.append((" ".join(texts), name))
    return made


def two_fields(telling: str, other: str, count: int) -> Callable[[Questions, int], Rows]:
    """Rows of the fields `subject` and `body`, of which one tells the class.

    Args:
        count: questions in the other one.
    """

    def rows(questions: Questions, seed: int) -> Rows:
        rng, classes, others = drawn(questions, seed, 15)
        made: Rows = []
        for name in classes:
            for question in rng.sample(questions[name], 40):
                texts = {telling: question, other: " ".join(rng.sample(others, count))}
                made.append((join_fields({field: texts[field] for field in FIELDS}), name))
        return made

    return rows


SETS: Mapping[str, Callable[[Questions, int], Rows]] = {
    "first": one_tells(0.0),
    "middle": one_tells(0.5),
    "last": one_tells(1.0),
    "majority": most_tell,
    "subject": two_fields("subject", "body", 1),
    "body": two_fields("body", "subject", 1),
    "long_body": two_fields("subject", "body", 25),
}


def described(labels: Sequence[str]) -> Rows:
    """The labels' names, which are learned from as in any training."""
    return [(label, label) for label in labels]


def frozen_scores(encoder: TextEncoder, train: Rows, test: Rows) -> dict[str, float]:
    """Macro-F1 of a regression, by the way that texts are read."""
    both = train, test
    if field_texts(train[0][0]).keys() == {""}:
        beginnings, in_windows, in_sentences = (
            Frozen(encoder, train, test, read) for read in (beginning, windows, sentence_by_sentence)
        )
        return {
            "first 256 tokens": beginnings.score(Pooling.MEAN),
            "windows of 256 tokens": in_windows.score(Pooling.MEAN),
            "sentences, mean": in_sentences.score(Pooling.MEAN),
            "sentences, strongest": in_sentences.score(Pooling.STRONGEST),
        }
    alone = [[[(field_texts(text)[name], label) for text, label in rows] for rows in both] for name in FIELDS]
    joined = [[(readable_text(text), label) for text, label in rows] for rows in both]
    strongest = Pooling.STRONGEST
    return {
        "telling field alone": max(Frozen(encoder, *rows).score(strongest) for rows in alone),
        "one readable text": Frozen(encoder, *joined).score(strongest),
        "fields, names learned": Frozen(encoder, train, test, by_field).score(strongest),
        "fields, names not learned": Frozen(encoder, train, test, by_field, learns_names=False).score(strongest),
    }


Read = Callable[[TextEncoder, Sequence[str]], TokenisedTexts]


def windows(encoder: TextEncoder, texts: Sequence[str]) -> TokenisedTexts:
    """Texts in windows of as many tokens as are read at once."""
    sequences, starts = [], [0]
    for located in encoder.locate(texts):
        room = encoder.max_length_tokens - len(encoder.framed([])[0])
        edges = np.linspace(0, len(located.ids), max(1, -(-len(located.ids) // room)) + 1).round().astype(int).tolist()
        sequences += [encoder.framed(located.ids[a:b])[0] for a, b in pairwise(edges)]
        starts.append(len(sequences))
    return TokenisedTexts(sequences, None, np.array(starts), fields=np.zeros(len(sequences), dtype=np.int64))


def beginning(encoder: TextEncoder, texts: Sequence[str]) -> TokenisedTexts:
    """Texts as far as they are read at once."""
    return TokenisedTexts.whole(encoder.tokenise(texts))


def sentence_by_sentence(encoder: TextEncoder, texts: Sequence[str]) -> TokenisedTexts:
    """Texts as a version of today reads them."""
    return encoder.read(texts)


def by_field(encoder: TextEncoder, texts: Sequence[str]) -> TokenisedTexts:
    """The same of texts of two fields."""
    return encoder.read(texts, FIELDS)


class Frozen:
    """Train and test rows as a base model that is not trained reads them.

    Args:
        learns_names: names of labels are train texts as well.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        train: Rows,
        test: Rows,
        read: Read = sentence_by_sentence,
        *,
        learns_names: bool = True,
    ) -> None:
        self._labels = tuple(sorted({str(label) for _, label in train}))
        self._rows, self._test = labeled(train + (described(self._labels) if learns_names else [])), labeled(test)
        self._tokenised = [read(encoder, rows.texts) for rows in (self._rows, self._test)]
        self._features = [encoder.vectors(each) for each in self._tokenised]
        self._encoder = encoder

    def score(self, pooling: Pooling) -> float:
        """Macro-F1 of a regression on the test rows."""
        objective = Objective.of("softmax", self._labels)
        objective.prepare(self._encoder, self._rows)
        objective.pooling = pooling
        objective.decoder = decoder = objective.decoder.copy_with(pooling=pooling)
        encoded, test = (
            EncodedRows(rows, tokenised, objective.codes(rows.targets, tokenised))
            for rows, tokenised in zip((self._rows, self._test), self._tokenised, strict=True)
        )
        head = objective.regression(self._features[0], encoded, c=REGRESSION_C, max_iterations=ITERATIONS)
        answers = decoder.answers(decoder.logits(head, self._features[1], test.tokenised), test.tokenised)
        return Evaluation.of(test.rows.targets, [answer.target for answer in answers], self._labels).macro_f1


def trained_score(train: Rows, test: Rows, settings: TrainingSettings) -> tuple[str, float]:
    """Train; return the method and pooling that were kept, and the macro-F1 of the bundle as it is served."""
    labels = tuple(sorted({str(label) for _, label in train}))
    data = TrainingData("intent", "softmax", labels, labeled(train), labeled(described(labels)), labeled([]))
    with (
        tempfile.TemporaryDirectory() as folder,
        trained(data, settings, GraphStore(Path(folder))) as (outcome, predictor),
    ):
        decoder = read_bundle(outcome.bundle).manifest.parts[0].linear_decoder
        print(f"{outcome.reason}; {decoder.to_json()['pooling']} after {outcome.seconds:.0f} s", flush=True)
        answers = predictor.predict([text for text, _ in test])
    targets = [answer["intent"].target if answer else None for answer in answers]
    return f"training ({settings.method})", Evaluation.of([label for _, label in test], targets, labels).macro_f1


def show(name: str, seed: int, way: str, score: float, scores: dict[tuple[str, str], list[float]]) -> None:
    """Show a score and add it to the others."""
    scores[name, way].append(score)
    print(f"{name}, seed {seed}, {way}: {score:.4f}", flush=True)


def show_table(scores: Mapping[tuple[str, str], Sequence[float]]) -> None:
    """The means with the lowest and the highest score, in Markdown."""
    rows = [
        (name, way, f"{statistics.mean(own):.3f}", f"{min(own):.3f} to {max(own):.3f}")
        for (name, way), own in scores.items()
    ]
    print(f"\n{table(('set', 'texts are read as', 'macro-F1', 'from, to'), rows)}")
    print(f"\n{os.cpu_count()} cores ({platform.machine()})")


if __name__ == "__main__":
    main()
