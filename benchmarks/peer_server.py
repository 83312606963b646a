"""The peer: what serves a text classifier in label-studio-ml's examples, written anew on the same base weights.

    python -m benchmarks.peer_server --port 9191 --label-config config.xml

The recipe is that of the bert_classifier example: a sequence classifier of transformers in fp32, asked through a
`text-classification` pipeline, one text at a time. It is served as `labelloop serve` serves, by one gunicorn process
with the same kind and number of threads, and answers the same contract. What is measured is speed, so its head is
untrained.
"""

import argparse
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from gunicorn.app.base import BaseApplication

from ml_backend.labelstudio.label_config_xml import parse_label_config
from ml_backend.web.patient_worker import PatientWorker

__all__ = ["create_app", "load_pipeline"]

MAX_LENGTH_TOKENS = 256  # as in labelloop
VERSION = "peer"

Pipeline = Callable[[Sequence[str]], list[Mapping[str, Any]]]


def load_pipeline(labels: Sequence[str]) -> Pipeline:
    """A function from texts to `{"label", "score"}` each, one text at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
    from transformers.utils import logging

    from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL, BaseModelFiles

    logging.set_verbosity_error()
    source = BaseModelFiles(DEFAULT_BASE_MODEL).source
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        source, num_labels=len(labels), id2label=dict(enumerate(labels)), dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(source)
    ask = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    return lambda texts: [ask(text, truncation=True, max_length=MAX_LENGTH_TOKENS)[0] for text in texts]


def create_app(label_config: str) -> Flask:
    """The application; the model is loaded by the first request for predictions."""
    control = parse_label_config(label_config).controls[0]
    app = Flask("peer")
    app.config["MAX_CONTENT_LENGTH"] = 128 * 1024 * 1024
    lock = threading.Lock()
    loaded: list[Pipeline] = []

    def ask(texts: Sequence[str]) -> list[Mapping[str, Any]]:
        with lock:
            if not loaded:
                loaded.append(load_pipeline([label.value for label in control.labels]))
        return loaded[0](texts)

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="UP", model_class="peer")

    @app.post("/setup")
    def setup() -> Response:
        return jsonify(model_version=VERSION)

    @app.post("/predict")
    def predict() -> Response:
        tasks = request.get_json()["tasks"]
        answers = ask([task["data"][control.object.field] for task in tasks])
        return jsonify(results=[_prediction(control.name, control.object.name, answer) for answer in answers])

    return app


def _prediction(control: str, object_name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    region = {
        "from_name": control,
        "to_name": object_name,
        "type": "choices",
        "value": {"choices": [answer["label"]]},
        "score": answer["score"],
    }
    return {"result": [region], "score": answer["score"], "model_version": VERSION}


class _Server(BaseApplication):
    def __init__(self, label_config: str, options: Mapping[str, Any]) -> None:
        self._label_config = label_config
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._label_config)


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--label-config", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=8)
    asked = parser.parse_args()
    options = {
        "bind": f"127.0.0.1:{asked.port}",
        "workers": 1,
        "worker_class": PatientWorker,
        "threads": asked.threads,
        "timeout": 120,
        "graceful_timeout": 10,
        "loglevel": "warning",
        "control_socket_disable": True,
    }
    _Server(asked.label_config.read_text(encoding="utf-8"), options).run()


if __name__ == "__main__":
    main()
