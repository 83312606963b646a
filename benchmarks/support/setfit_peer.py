"""Train SetFit in a separate process: contrastive pairs first, then a regression on the tuned vectors.

    python -m benchmarks.support.setfit_peer ROWS.json

The file is a JSON object, see `FewRows`; the last line written is one as well: the answers to the test texts, and the
seconds of training by the clock and by the processor. Settings are SetFit's defaults but for `num_iterations`, which is
the 20 of its paper (Tunstall et al. 2022, arXiv 2209.11055): the default draws pairs of every two rows.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FewRows"]

ITERATIONS = 20


@dataclass(frozen=True, slots=True)
class FewRows:
    """The input of a training.

    Attributes:
        base: folder of a sentence-transformers model.
    """

    base: str
    texts: Sequence[str]
    labels: Sequence[str]
    test_texts: Sequence[str]
    seed: int


def main() -> None:
    """Train as the file says, and write one line of JSON."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    asked = FewRows(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    model = SetFitModel.from_pretrained(asked.base)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_iterations=ITERATIONS,
            seed=asked.seed,
            report_to="none",
            save_strategy="no",
            eval_strategy="no",
        )
        rows = Dataset.from_dict({"text": list(asked.texts), "label": list(asked.labels)})
        trainer = Trainer(model=model, args=arguments, train_dataset=rows)
        started, started_processor = time.perf_counter(), time.process_time()
        trainer.train()
        seconds, processor_s = time.perf_counter() - started, time.process_time() - started_processor
    answers = [str(answer) for answer in model.predict(list(asked.test_texts))]
    print(json.dumps({"answers": answers, "seconds": seconds, "processor_s": processor_s}))


if __name__ == "__main__":
    main()
