import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.encoders.bundle import Bundle, BundleFacts, BundleManifest, Head, read_bundle, write_bundle
from ml_backend.errors import BundleError

MANIFEST = BundleManifest(
    model_version="tickets-1-v3",
    method=Method.LORA,
    base_model="tiny",
    base_model_sha256="ab" * 32,
    facts=BundleFacts("intent", "text", "body", "<View/>", "0123456789ab", "cdef"),
    labels=("card", "cäsh"),
    max_length_tokens=64,
    temperature=1.5,
    seed=7,
    settings={"epochs": 3},
    score_quantiles=tuple(i / 100 for i in range(101)),
    created_at="2026-01-01T00:00:00+00:00",
    libraries={"torch": "2.13.0"},
)
TEXTS = ["Where is my card?", "cash  please"]
HEAD = Head(np.arange(8, dtype=np.float32).reshape(2, 4), np.array([0.5, -0.5], dtype=np.float32))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    adapter = tmp_path / "adapter-source"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    return write_bundle(tmp_path / "bundle", MANIFEST, HEAD, trained_on=TEXTS, adapter=adapter)


def test_a_bundle_reads_back_as_it_was_written(bundle: Bundle) -> None:
    again = read_bundle(bundle.path)

    assert again.manifest == replace(MANIFEST, files=again.manifest.files)
    assert set(again.manifest.files) == {"head.safetensors", "trained_texts.txt", "adapter/adapter_config.json"}
    np.testing.assert_array_equal(again.head.weight, HEAD.weight)
    np.testing.assert_array_equal(again.head.bias, HEAD.bias)
    assert again.adapter == bundle.path / "adapter"


def test_a_bundle_without_adapter_says_so(tmp_path: Path) -> None:
    assert write_bundle(tmp_path / "plain", MANIFEST, HEAD, trained_on=TEXTS).adapter is None


def _flip_byte(path: Path) -> None:
    head = path / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\x01")


def _edit(path: Path, **changes: object) -> None:
    file = path / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip_byte, "was changed or damaged"),
        (lambda path: (path / "head.safetensors").unlink(), r"lacks head\.safetensors"),
        (lambda path: (path / "extra.bin").write_bytes(b""), r"holds extra\.bin, which bundle\.json does not list"),
        (lambda path: (path / "bundle.json").unlink(), r"holds no bundle\.json"),
        (lambda path: (path / "bundle.json").write_text("{"), "not readable"),
        (lambda path: (path / "bundle.json").write_text("[]"), "not readable"),
        (lambda path: _edit(path, schema_version=99), "schema version 99; this labelloop reads 1"),
        (lambda path: _edit(path, surprise=1), "holds an unknown one"),
        (lambda path: _edit(path, method="magic"), "magic"),
        (lambda path: _edit(path, labels=["one"]), "wanted 1 rows for 1 labels"),
        (lambda path: _edit(path, temperature=0), "wanted 101 quantiles and a temperature above 0"),
        (lambda path: _edit(path, files={}), r"does not list head\.safetensors"),
    ],
)
def test_a_damaged_bundle_is_refused_with_the_reason(
    bundle: Bundle, damage: Callable[[Path], object], message: str
) -> None:
    damage(bundle.path)

    with pytest.raises(BundleError, match=message):
        read_bundle(bundle.path)


def test_a_bundle_is_never_overwritten(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="never overwritten"):
        write_bundle(bundle.path, MANIFEST, HEAD, trained_on=TEXTS)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path / "bundle", MANIFEST, HEAD, trained_on=TEXTS, adapter=tmp_path / "missing")

    assert list(tmp_path.iterdir()) == [tmp_path / "home"] or list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (Head(HEAD.weight[:1], HEAD.bias), "wanted 2 rows for 2 labels"),
        (Head(HEAD.weight, HEAD.bias * np.float32("nan")), "not finite"),
    ],
)
def test_a_head_that_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, head: Head, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "bundle", MANIFEST, head, trained_on=TEXTS)

    assert not (tmp_path / "bundle").exists()


def test_other_users_may_read_a_bundle(bundle: Bundle) -> None:
    assert bundle.path.stat().st_mode & 0o777 == 0o755


def test_a_bundle_knows_the_texts_that_it_was_trained_on(bundle: Bundle) -> None:
    assert read_bundle(bundle.path).was_trained_on(["where is MY card?", "cash please", "cash"]) == [True, True, False]
