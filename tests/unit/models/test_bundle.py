import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.errors import BundleError
from ml_backend.models.bundle.bundle import Bundle, TrainedPart, read_bundle, write_bundle
from ml_backend.models.bundle.head import Head
from ml_backend.models.bundle.known_texts import KnownTexts
from ml_backend.models.decoders.base import decoder_of
from ml_backend.models.decoders.sigmoid import SigmoidDecoder
from ml_backend.models.decoders.softmax import SoftmaxDecoder
from ml_backend.models.decoders.tags import TagsDecoder
from ml_backend.models.text.windows import Unit
from tests.trained_parts import MANIFEST, written_part

TEXTS = ["Where is my card?", "cash  please"]
HEAD = Head(np.arange(8, dtype=np.float32).reshape(2, 4), np.array([0.5, -0.5], dtype=np.float32))
TAGS_HEAD = Head(np.ones((3, 4), dtype=np.float32), np.zeros(3, dtype=np.float32))
SOFTMAX = SoftmaxDecoder(labels=("card", "cäsh"), temperature=1.5)
SIGMOID = SigmoidDecoder(labels=("angry", "late"), thresholds=(0.25, 0.5), slope=2.0, offset=-0.5)
TAGS = TagsDecoder(labels=("PER",), unit=Unit.TOKEN, entity_bias=0.5, span_slope=0.75)


def parts_in(folder: Path) -> list[TrainedPart]:
    """A single choice with an adapter, a multiple one, and entities with weights of their own."""
    lora = written_part(folder / "lora", HEAD, SOFTMAX, control="intent", method=Method.LORA)
    (lora.folder / "adapter").mkdir()
    (lora.folder / "adapter" / "adapter_config.json").write_text("{}")
    plain = written_part(folder / "plain", HEAD, SIGMOID, control="mood")
    full = written_part(folder / "full", TAGS_HEAD, TAGS, control="people", method=Method.FULL)
    (full.folder / "weights.safetensors").write_bytes(b"weights")
    return [lora, plain, full]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", MANIFEST, parts_in(tmp_path / "parts"), trained_on=TEXTS)


def test_a_bundle_reads_back_as_it_was_written(bundle: Bundle) -> None:
    again = read_bundle(bundle.path)

    facts = tuple(part.facts for part in parts_in(bundle.path.parent / "again"))
    assert again.manifest == MANIFEST.copy_with(parts=facts, files=again.manifest.files)
    assert set(again.manifest.files) == {
        "trained_texts.txt",
        "controls/0/head.safetensors",
        "controls/0/adapter/adapter_config.json",
        "controls/1/head.safetensors",
        "controls/2/head.safetensors",
        "controls/2/weights.safetensors",
    }
    for position, head in enumerate([HEAD, HEAD, TAGS_HEAD]):
        np.testing.assert_array_equal(again.head(position).weight, head.weight)
        np.testing.assert_array_equal(again.head(position).bias, head.bias)
    assert again.adapter(0) == bundle.path / "controls" / "0" / "adapter"
    assert again.weights(2) == bundle.path / "controls" / "2" / "weights.safetensors"


def test_a_part_without_adapter_and_weights_says_so(bundle: Bundle) -> None:
    assert [bundle.adapter(position) is None for position in range(3)] == [False, True, True]
    assert [bundle.weights(position) is None for position in range(3)] == [True, True, False]


def test_known_texts_come_back_in_half_precision_and_damaged_ones_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    known = KnownTexts(vectors[:6, :3], np.arange(6), np.linspace(0.1, 0.6, 6), vectors[6:], np.arange(6) - 3)
    known.write(tmp_path)

    again = KnownTexts.read(tmp_path)

    assert bundle.known_texts(0) is None
    assert again is not None
    np.testing.assert_array_equal(again.codes, known.codes)
    np.testing.assert_array_equal(again.keys, known.keys)
    for name in ("vectors", "gaps", "held_out"):
        np.testing.assert_allclose(getattr(again, name), getattr(known, name), rtol=1e-3)
    wrong_parts = ({"codes": np.arange(5)}, {"gaps": np.ones(7)}, {"held_out": vectors[:, :3]})
    for wrong in (replace(known, **part) for part in wrong_parts):
        wrong.write(tmp_path)
        with pytest.raises(BundleError, match=r"holds vectors \(6, 3\), codes"):
            KnownTexts.read(tmp_path)
    replace(known, keys=np.arange(5)).write(tmp_path)
    with pytest.raises(BundleError, match="holds 5 keys of 6 vectors"):
        KnownTexts.read(tmp_path)
    (tmp_path / "known_texts.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BundleError, match="does not hold vectors of known texts"):
        KnownTexts.read(tmp_path)


@pytest.mark.parametrize("decoder", [SOFTMAX, SIGMOID, TAGS])
def test_a_decoder_comes_back_from_json_as_it_was(decoder: SoftmaxDecoder | SigmoidDecoder | TagsDecoder) -> None:
    assert decoder_of(decoder.head).of(json.loads(json.dumps(decoder.to_json()))) == decoder


@pytest.mark.parametrize(
    ("document", "unit"),
    [
        ({}, Unit.MODEL_WORD),
        ({"whole_words": True}, Unit.MODEL_WORD),
        ({"whole_words": True, "between_spaces": False}, Unit.MODEL_WORD),
        ({"whole_words": True, "between_spaces": True}, Unit.PIECE),
        ({"whole_words": False, "between_spaces": False}, Unit.TOKEN),
        ({"whole_words": False, "between_spaces": True}, Unit.TOKEN),
    ],
)
def test_tags_of_former_bundles_are_given_to_what_they_were_given_to(document: dict[str, bool], unit: Unit) -> None:
    assert TagsDecoder.of({"labels": ["PER"], **document}) == TagsDecoder(labels=("PER",), unit=unit)


@pytest.mark.parametrize("head", ["softmax", "tags", "text"])
def test_what_is_no_decoder_is_refused(head: str, bundle: Bundle) -> None:
    _edit_part(bundle.path, head=head, readout={"labels": [], "surprise": 1})

    with pytest.raises(BundleError, match=f"the decoder of a {head} head cannot be read: .*; fetch or train it again"):
        read_bundle(bundle.path)


def test_a_version_has_the_method_of_its_parts_where_they_agree(tmp_path: Path, bundle: Bundle) -> None:
    assert bundle.manifest.method is Method.AUTO

    alone = write_bundle(tmp_path / "alone", MANIFEST, parts_in(tmp_path / "more")[2:], trained_on=TEXTS)

    assert alone.manifest.method is Method.FULL


def _flip_byte(path: Path) -> None:
    head = path / "controls" / "1" / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\x01")


def _edit(path: Path, **changes: object) -> None:
    file = path / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _edit_part(path: Path, **changes: object) -> None:
    first, *others = json.loads((path / "bundle.json").read_text())["parts"]
    _edit(path, parts=[{**first, **changes}, *others])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip_byte, r"controls/1/head\.safetensors has .* was changed or damaged"),
        (lambda path: (path / "controls/0/head.safetensors").unlink(), r"lacks controls/0/head\.safetensors"),
        (lambda path: (path / "controls/2/weights.safetensors").unlink(), r"lacks controls/2/weights\.safetensors"),
        (lambda path: (path / "extra.bin").write_bytes(b""), r"holds extra\.bin, which bundle\.json does not list"),
        (lambda path: (path / "bundle.json").unlink(), r"holds no bundle\.json"),
        (lambda path: _edit(path, schema_version=99), "schema version 99; this labelloop reads 2"),
        (lambda path: _edit(path, schema_version=1), "schema version 1; .* that wrote it, or train again"),
        (lambda path: _edit(path, surprise=1), "holds an unknown one"),
        (lambda path: _edit(path, facts={"field": "body"}), "lacks a fact"),
        (lambda path: _edit(path, parts=[]), "the version answers no control"),
        (lambda path: _edit(path, files={}), r"does not list trained_texts\.txt"),
        (lambda path: _edit_part(path, method="magic"), "magic"),
        (lambda path: _edit_part(path, head="magic"), "magic"),
        (lambda path: _edit_part(path, surprise=1), "holds an unknown one"),
        (
            lambda path: _edit_part(path, score_quantiles=[0.5] * 3),
            "'intent' .* 3 score quantiles found; wanted 101",
        ),
    ],
)
def test_a_damaged_bundle_is_refused_with_the_reason(
    bundle: Bundle, damage: Callable[[Path], object], message: str
) -> None:
    damage(bundle.path)

    with pytest.raises(BundleError, match=message):
        read_bundle(bundle.path)


def test_a_control_without_files_is_refused_by_name(bundle: Bundle) -> None:
    parts = json.loads((bundle.path / "bundle.json").read_text())["parts"]
    _edit(bundle.path, parts=[*parts, {**parts[0], "control": "fourth"}])

    with pytest.raises(BundleError, match="there are no files for the control 'fourth' in controls/3/; train again"):
        read_bundle(bundle.path)


def test_a_bundle_is_never_overwritten(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="never overwritten"):
        write_bundle(bundle.path, MANIFEST, parts_in(tmp_path / "more"), trained_on=TEXTS)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    part = parts_in(tmp_path / "parts")[0]
    missing = replace(part, folder=tmp_path / "missing")

    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path / "models" / "bundle", MANIFEST, [part, missing], trained_on=TEXTS)
    with pytest.raises(BundleError, match="the version answers no control"):
        write_bundle(tmp_path / "models" / "bundle", MANIFEST, [], trained_on=TEXTS)

    assert list((tmp_path / "models").iterdir()) == []


def test_other_users_may_read_a_bundle(bundle: Bundle) -> None:
    assert bundle.path.stat().st_mode & 0o777 == 0o755


def test_a_bundle_knows_the_texts_that_it_was_trained_on(bundle: Bundle) -> None:
    assert read_bundle(bundle.path).was_trained_on(["where is MY card?", "cash please", "cash"]) == [True, True, False]
