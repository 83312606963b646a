"""Quality of answers about marked pieces: the type of each name of WNUT17, given where it stands, beside plain ways.

    python -m benchmarks.regions --data WNUT17_FOLDER

The folder holds `train.conll` and `test.conll` (Derczynski et al. 2017, CC BY 4.0); the environment variable WNUT17 can
name it as well. Names are marked with one label, and the answer about each is its type: one of six.

All are regressions of C = 10 on frozen vectors of the default base model, learned from all names of the train file.
What labelloop reads of a piece, see `region_text`, stands beside the words of the name alone, the vector of the name's
tokens in the sentence, that with the vector of the sentence, and the most frequent type.
"""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.entities import read_rows
from ml_backend.arrays import Floats2d
from ml_backend.domain.example import Span, Target, spans_in
from ml_backend.learning.classification.regression import fit_regression
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.text.pooling import pooled_features
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.tasks.region_rows import region_text

FIELDS = ("label", "mark", "before", "after")
C, ITERATIONS = 10.0, 300
Names = Sequence[tuple[str, Span]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get("WNUT17"), help="folder of train.conll and test.conll")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set WNUT17")
    folder = Path(arguments.data)
    train, test = (names_in(folder / f"{split}.conll") for split in ("train", "test"))
    true: list[Target] = [span.label for _, span in test]
    ((most_frequent, _),) = Counter(span.label for _, span in train).most_common(1)
    show("most frequent type", Evaluation.of(true, [most_frequent] * len(true)))
    encoder = TextEncoder.load()
    learned, asked = (vectors_of(encoder, names) for names in (train, test))
    types = sorted({span.label for _, span in train})
    codes = np.array([types.index(span.label) for _, span in train])
    for way, features in learned.items():
        head = fit_regression(features, codes, np.ones(len(codes)), classes=len(types), c=C, max_iterations=ITERATIONS)
        answers = [types[k] for k in head.logits(asked[way]).argmax(axis=1).tolist()]
        show(way, Evaluation.of(true, answers))
    print(f"{len(train)} names learned from, {len(test)} scored")


def names_in(path: Path) -> Names:
    rows = read_rows(path)
    return [(text, span) for text, target in rows for span in spans_in(target)]


def vectors_of(encoder: TextEncoder, names: Names) -> dict[str, Floats2d]:
    read = encoder.read([region_text(text, Span(span.start, span.end, "Name")) for text, span in names], FIELDS)
    in_sentence, sentences = encoder.vectors(marked(encoder, names)), encoder.embed([text for text, _ in names])
    return {
        "labelloop: name, words before and after": pooled_features(encoder.vectors(read), read),
        "name alone": encoder.embed([text[span.start : span.end] for text, span in names]),
        "tokens in the sentence": in_sentence,
        "tokens in the sentence, sentence": np.concatenate([in_sentence, sentences], axis=1),
    }


def marked(encoder: TextEncoder, names: Names) -> TokenisedTexts:
    """Each sentence as one sequence that is read at the tokens of its name."""
    sequences, places = [], []
    for (_, span), tokens in zip(names, encoder.locate([text for text, _ in names]), strict=True):
        framed, before = encoder.framed(tokens.ids)
        own = np.flatnonzero((tokens.spans[:, 0] < span.end) & (tokens.spans[:, 1] > span.start))
        sequences.append(framed)
        places.append(np.array([[own[0] + before, own[-1] + 1 + before]]))
    return TokenisedTexts(sequences, places, np.arange(len(names) + 1))


def show(way: str, evaluation: Evaluation) -> None:
    print(f"{way:42} accuracy {evaluation.accuracy:.3f}  macro-F1 {evaluation.macro_f1:.3f}", flush=True)


if __name__ == "__main__":
    main()
