"""Versions whose files somebody changed, digests and all, are refused with a reason, or answer as versions do."""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ml_backend.errors import BundleError, LabelloopError
from ml_backend.models.base.adapters import save_adapter
from ml_backend.models.base.base_model import load_backbone
from ml_backend.models.bundle.bundle import Bundle, read_bundle
from ml_backend.models.bundle.head import Head
from ml_backend.models.decoders.sigmoid import SigmoidDecoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.decoders.tags import TagsDecoder
from ml_backend.models.text.word_shapes import WIDTH
from ml_backend.serving.bundle_predictor import BundlePredictor
from tests.trained_parts import written_bundle, written_part

TEXTS = ["where is my card", "cash please"]
DEEP = "[" * 100_000 + "]" * 100_000
VALUES: list[Any] = [None, -1, 0, 2**80, math.nan, math.inf, "", "x", [], {}, [None], {"x": 1}, True]
"""Values that replace each value in a JSON file."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, base: str) -> Bundle:
    """A version with an adapter, with thresholds, and with entities."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("tampered")
    width = load_backbone(base).hidden_size
    heads = {rows: Head(np.ones((rows, width), dtype=np.float32), np.zeros(rows, dtype=np.float32)) for rows in (2, 3)}
    tags = Head(np.ones((3, width + WIDTH), dtype=np.float32), np.zeros(3, dtype=np.float32))
    parts = [
        written_part(folder / "intent", heads[3], SoftmaxDecoder(labels=("card", "cash", "refund")), control="intent"),
        written_part(
            folder / "mood", heads[2], SigmoidDecoder(labels=("angry", "late"), thresholds=(0.5, 0.5)), control="mood"
        ),
        written_part(folder / "people", tags, TagsDecoder(labels=("PER",)), control="people"),
    ]
    tuned = get_peft_model(load_backbone(base).module, LoraConfig(r=2, target_modules=["query"]))
    save_adapter(tuned, parts[0].folder, base_model=base)
    return written_bundle(folder / "bundle", base, *parts)


def outcome(bundle: Path) -> str:
    """Return the error of the version, or "" where it answers with valid scores."""
    try:
        predictor = BundlePredictor(bundle)
    except LabelloopError as error:
        return str(error)
    for answer in predictor.predict(TEXTS):
        assert answer is not None
        assert all(0 <= each.score <= 1 for each in answer.values())
    assert 0 <= predictor.draw_score(1) <= 1
    return ""


def places(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of the values in a JSON document; of long lists only the first ones."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in list(items)[:4] if isinstance(document, list) else items:
        yield (*place, key)
        yield from places(value, (*place, key))


def changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    if value is None and isinstance(inner, dict):
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return copy


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    return shutil.copytree(bundle.path, tmp_path / "bundle")


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_fact_of_a_bundle_is_checked(value: object, copy: Path) -> None:
    file = copy / "bundle.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    for place in places(document):
        file.write_text(json.dumps(changed(document, place, value)), encoding="utf-8")
        said = refusal(copy)
        assert "\n" not in said
        assert not said or str(copy) in said


def refusal(bundle: Path) -> str:
    try:
        read_bundle(bundle)
    except BundleError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("seed",), "seven", r"seed: 'seven' found; input should be a valid integer"),
        (("facts",), [], r"facts: \[\] found"),
        (("facts", "field"), 7, r"facts\.field: 7 found; input should be a valid string"),
        (("files",), ["a"], r"files: \['a'\] found"),
        (("parts",), {"0": {}}, r"parts: .* found"),
        (("parts", 0, "head"), "tags", r"decoder of a tags head|wanted 7"),
        (("parts", 0, "max_length_tokens"), -5, r"lengths of \[-5\] tokens found; wanted 1"),
        (("parts", 0, "score_quantiles", 3), math.nan, r"score quantiles found; wanted 101, all from 0 to 1"),
        (("parts", 0, "readout"), {}, r"labels: .* field required|labels"),
        (("parts", 0, "readout", "labels"), "abc", r"labels: 'abc' found; input should be a valid tuple"),
        (("parts", 0, "readout", "labels"), ["card", "cash"], r"gives 3 numbers from 16 features; wanted 2"),
        (("parts", 0, "readout", "labels"), ["card"] * 3, r"3 labels found, 1 different"),
        (("parts", 0, "readout", "temperature"), math.nan, r"temperature: nan found; wanted a number from 1e-06"),
        (("parts", 0, "readout", "temperature"), 0, r"temperature: 0\.0 found"),
        (("parts", 1, "readout", "thresholds"), [0.5], r"1 thresholds found; wanted 2"),
        (("parts", 1, "readout", "slope"), math.inf, r"slope: inf found"),
        (("parts", 1, "control"), "intent", r"answers a control twice"),
        (("base_model_sha256",), "ab" * 32, r"trained on .* with weights abababababab"),
        (("base_model",), "no/such model", r"tickets-1-v3 needs its base model"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_wrong_fact_is_told_with_what_was_wanted(place: tuple[Any, ...], value: Any, said: str, copy: Path) -> None:
    file = copy / "bundle.json"
    document = changed(json.loads(file.read_text(encoding="utf-8")), place, value)
    file.write_text(json.dumps(document), encoding="utf-8")

    assert re.search(said, outcome(copy))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", DEEP.encode(), b"null", b'{"schema_version": ' + b"9" * 5000 + b"}"]
)
def test_facts_are_refused_that_are_no_facts(content: bytes, copy: Path) -> None:
    (copy / "bundle.json").write_bytes(content)

    assert "bundle.json is not readable as a bundle's facts" in outcome(copy)


def junk(file: Path) -> None:
    file.write_bytes(b"\xff" * 8 + b"junk")


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def edited(**facts: Any) -> Callable[[Path], None]:
    def edit(file: Path) -> None:
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | facts), encoding="utf-8")

    return edit


def head(**tensors: Any) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        save_file(load_file(file) | {name: np.asarray(value) for name, value in tensors.items()}, file)

    return write


HEAD, ADAPTER = "controls/0/head.safetensors", "controls/0/adapter"
ONES = np.ones((3, 16), dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (HEAD, Path.unlink, "there are no files|does not hold a head"),
        (HEAD, junk, "does not hold a head"),
        (HEAD, half, "does not hold a head"),
        (HEAD, head(weight=ONES.astype(np.int64)), "is of int64 and float32; wanted float32"),
        (HEAD, head(weight=ONES.astype(np.float16)), "is of float16"),
        (HEAD, head(weight=ONES * np.nan), "not finite, or absurd"),
        (HEAD, head(bias=ONES[:, 0] * 1e30), "not finite, or absurd"),
        (HEAD, head(weight=ONES[None]), "wanted as many rows in both"),
        (HEAD, head(weight=ONES[:2]), r"weight \(2, 16\) and bias \(3,\); wanted as many rows in both"),
        (HEAD, head(weight=ONES[:, :9]), "from 9 features; wanted 3 from the 16"),
        (HEAD, head(weight=np.ones((3, 99), dtype=np.float32)), "from 99 features; wanted 3 from the 16"),
        (HEAD, head(weight=ONES[:0], bias=ONES[:0, 0]), "gives 0 numbers"),
        (f"{ADAPTER}/adapter_config.json", Path.unlink, "does not fit"),
        (f"{ADAPTER}/adapter_config.json", junk, "does not fit"),
        (f"{ADAPTER}/adapter_config.json", lambda file: file.write_text(DEEP), "does not fit"),
        (f"{ADAPTER}/adapter_config.json", edited(r=64), "does not fit"),
        (f"{ADAPTER}/adapter_config.json", edited(r="two"), "does not fit"),
        (f"{ADAPTER}/adapter_config.json", edited(target_modules=["nowhere"]), "does not fit"),
        (f"{ADAPTER}/adapter_config.json", edited(peft_type="magic"), "does not fit"),
        (f"{ADAPTER}/adapter_model.safetensors", Path.unlink, "does not fit"),
        (f"{ADAPTER}/adapter_model.safetensors", half, "does not fit"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(name: str, damage: Callable[[Path], None], said: str, copy: Path) -> None:
    damage(copy / name)
    reseal(copy)

    assert re.search(said, outcome(copy))


def test_a_list_of_trained_texts_may_hold_anything(copy: Path) -> None:
    junk(copy / "trained_texts.txt")
    reseal(copy)

    assert outcome(copy) == ""
    assert read_bundle(copy).was_trained_on(TEXTS) == [False, False]


def reseal(bundle: Path) -> None:
    """Let the facts name the files as they are now."""
    files = {
        path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "bundle.json"
    }
    edited(files=files)(bundle / "bundle.json")
