"""A predictor in a process of its own, asked round by round, so that several can take turns on one machine.

Run as a process: reads one JSON object a line from standard input and answers with one on standard output.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.support.machine import REPOSITORY
from benchmarks.support.served_home import PROJECT_ID, ServedHome, clean_environment
from benchmarks.support.texts import FreshTexts

__all__ = ["EAGER", "PEER", "RUNTIMES", "PredictorProcess", "predictor"]

PEER, EAGER = "peer", "eager"
RUNTIMES = ("openvino-int8", "openvino", "onnxruntime", "torch")
WARM_UP_TEXTS = 16


class PredictorProcess:
    """The process of one predictor.

    Attributes:
        load_s: until it had answered its first text.
    """

    def __init__(self, process: "subprocess.Popen[str]", name: str) -> None:
        self._process = process
        self.name = name
        self.load_s = float(self._answer()["load_s"])

    def rate(self, *, kind: str, batch: int, seconds: float, seed: int) -> float:
        """Texts per second, asked for one batch after the other."""
        found = self._ask({"do": "rate", "kind": kind, "batch": batch, "seconds": seconds, "seed": seed})
        return float(found["texts"]) / float(found["seconds"])

    def targets(self, texts: Sequence[str]) -> list[str | None]:
        """What it answers each text with."""
        return list(self._ask({"do": "targets", "texts": list(texts)})["targets"])

    def _ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the predictor {self.name} ended; what it said is above")
        found: Mapping[str, Any] = json.loads(line)
        return found


@contextmanager
def predictor(name: str, home: ServedHome, pool: Path) -> Iterator[PredictorProcess]:
    """A process that predicts as the served version does by a runtime, as it does in eager torch, or as the peer.

    Args:
        name: a runtime, `peer`, or `eager`: the version in fp32 by torch alone, nothing of serving in between.
    """
    settings = home.settings(**({"runtime": name} if name in RUNTIMES else {}))
    arguments = ["--name", name, "--home", str(home.folder), "--pool", str(pool), "--bundle", str(home.bundle)]
    config = home.folder / "config.xml"
    config.write_text(home.label_config, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.support.predictors", *arguments, "--label-config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=clean_environment(settings),
    )
    try:
        yield PredictorProcess(process, name)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


Ask = Callable[[Sequence[str]], list[str | None]]


def _served() -> Ask:
    """The predictor that a serving process would take, by the settings of the environment."""
    from ml_backend.bootstrap import build_services
    from ml_backend.config import load_settings

    services = build_services(load_settings())
    found = services.champions.get(services.database.projects.get(PROJECT_ID))

    def ask(texts: Sequence[str]) -> list[str | None]:
        answers = found.predict(texts)
        return [_only(answer) for answer in answers]

    return ask


def _eager(bundle: Path) -> Ask:
    from ml_backend.models.bundle.bundle import read_bundle
    from ml_backend.models.text.classifier import TextClassifier

    model = TextClassifier.load(read_bundle(bundle), 0, use_bf16=False)
    return lambda texts: [str(answer.target) for answer in model.answers(texts)]


def _peer(label_config: Path) -> Ask:
    from benchmarks.peer_server import load_pipeline
    from ml_backend.labelstudio.config.parse import parse_label_config

    control = parse_label_config(label_config.read_text(encoding="utf-8")).controls[0]
    pipeline = load_pipeline(control.label_values)
    return lambda texts: [str(answer["label"]) for answer in pipeline(texts)]


def _only(answer: Mapping[str, Any] | None) -> str | None:
    return str(next(iter(answer.values())).target) if answer else None


def _rate(ask: Ask, texts: FreshTexts, batch: int, seconds: float) -> dict[str, float]:
    count, used = 0, 0.0
    while used < seconds:
        asked = texts.take(batch)
        began = time.perf_counter()
        ask(asked)
        used += time.perf_counter() - began
        count += batch
    return {"texts": count, "seconds": used}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    for name in ("--home", "--pool", "--bundle", "--label-config"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    # Libraries write to standard output now and then, which is for answers alone.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    began = time.perf_counter()
    if given.name == PEER:
        ask = _peer(given.label_config)
    else:
        ask = _eager(given.bundle) if given.name == EAGER else _served()
    pools = json.loads(given.pool.read_text(encoding="utf-8"))
    ask(pools["short"][:1])
    answers.write(json.dumps({"load_s": time.perf_counter() - began}) + "\n")
    for pool in pools.values():
        ask(pool[:WARM_UP_TEXTS])
    for line in sys.stdin:
        question = json.loads(line)
        if question["do"] == "targets":
            answer: Mapping[str, Any] = {"targets": ask(question["texts"])}
        else:
            fresh = FreshTexts(pools[question["kind"]], question["seed"])
            answer = _rate(ask, fresh, question["batch"], question["seconds"])
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
