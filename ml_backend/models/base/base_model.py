"""Base models: found by name or folder, verified, loaded with their tokenizer."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ...errors import EncoderError
from .digests import file_sha256
from .packaged import DEFAULT_BASE_MODEL, packaged_folder

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "DEFAULT_BASE_MODEL",
    "Backbone",
    "BaseModelFiles",
    "first_position",
    "length_limit",
    "load_backbone",
    "set_pad_token",
    "weights_sha256",
]

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

    @classmethod
    def of(cls, module: Any, tokenizer: Any, *, name: str, digest: str) -> "Backbone":
        """A backbone from a transformers model and tokenizer that are in memory already."""
        if module.config.is_encoder_decoder:
            module = module.get_encoder()
        if getattr(module.config, "use_cache", False):
            module.config.use_cache = False
        set_pad_token(tokenizer, name)
        tokenizer.padding_side = tokenizer.truncation_side = "right"
        hidden_size = int(module.config.get_text_config().hidden_size)
        return cls(name, module.eval(), tokenizer, digest, hidden_size, length_limit(module, tokenizer))


class BaseModelFiles:
    """The files of a base model: in a folder, in the Hugging Face cache or on the hub.

    The default models come from their packages, where those are installed; see `packaged`.

    Args:
        name: a Hugging Face name, or a folder.

    Attributes:
        source: what transformers loads it from: a folder, or a Hugging Face name.

    Raises:
        EncoderError: the name is a path but no folder, or the installed package holds other weights than it should.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = _source(name)

    def file(self, file_name: str) -> Path | None:
        """Return the path of a file, None where the model has no file of that name."""
        if Path(self.source).is_dir():
            path = Path(self.source) / file_name
            return path if path.is_file() else None
        from transformers.utils import hub

        try:
            location = hub.cached_file(self.source, file_name)
        except (OSError, ValueError):
            return None
        return Path(location) if location else None

    def check_config(self) -> None:
        """Raise an EncoderError where the model has no config.json, or cannot be reached."""
        if self.file("config.json") is None:
            self._explain_missing()

    def weights_sha256(self) -> str:
        """Digest that tells base models apart: sha256 of the safetensors file, or over the digests of its shards.

        Raises:
            EncoderError: there are no safetensors weights.
        """
        single = self.file(WEIGHTS)
        if single is not None:
            return file_sha256(single)
        index = self.file(WEIGHTS_INDEX)
        if index is None:
            self._explain_missing()
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        digests = []
        for shard in shards:
            path = self.file(shard)
            if path is None:
                raise EncoderError(
                    f"base model {self.name!r} lacks {shard}, which {WEIGHTS_INDEX} lists; fetch it again"
                )
            digests.append(f"{shard} {file_sha256(path)}")
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def failure(self, error: Exception) -> str:
        """Return a message for a user whose base model transformers refused to load."""
        if "trust_remote_code" in str(error):
            return (
                f"base model {self.name!r} needs code from its own repository, which is never run; "
                "choose a model that transformers supports by itself"
            )
        detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return (
            f"base model {self.name!r} cannot be loaded: {detail}. "
            "Wanted: an encoder or decoder with its tokenizer files."
        )

    def _explain_missing(self) -> NoReturn:
        if not Path(self.source).is_dir():
            if self.file("config.json") is None:
                raise EncoderError(
                    f"base model {self.name!r} is neither a folder nor in the local cache, and the Hugging Face hub "
                    "did not give it; check the name and the connection (HF_HUB_OFFLINE forbids downloads), or give a "
                    "folder"
                )
        elif not (Path(self.source) / "config.json").is_file():
            raise EncoderError(
                f"the folder {self.name!r} holds no config.json; give the folder of a transformers model"
            )
        raise EncoderError(
            f"base model {self.name!r} has no {WEIGHTS}; only safetensors weights are read. "
            "Save the model again with save_pretrained(), which writes them."
        )


def weights_sha256(name: str) -> str:
    """Digest that tells base models apart, see `BaseModelFiles.weights_sha256`.

    Raises:
        EncoderError: the base model cannot be found, or has no safetensors weights.
    """
    return BaseModelFiles(name).weights_sha256()


def load_backbone(name: str = DEFAULT_BASE_MODEL) -> Backbone:
    """A base model by Hugging Face name or folder; any encoder or decoder, or the encoder of an encoder-decoder.

    Only safetensors weights are read, and no code that comes with a model is ever run.

    Raises:
        EncoderError: it cannot be found, verified or loaded; the message says what to do.
    """
    files = BaseModelFiles(name)
    files.check_config()
    digest = files.weights_sha256()

    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"trust_remote_code": False}
    try:
        module = AutoModel.from_pretrained(files.source, use_safetensors=True, dtype=torch.float32, **options)
        tokenizer = AutoTokenizer.from_pretrained(files.source, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EncoderError(files.failure(error)) from error
    return Backbone.of(module, tokenizer, name=name, digest=digest)


def set_pad_token(tokenizer: Any, name: str) -> None:
    """Let a tokenizer without a pad token use its eos token for that.

    Raises:
        EncoderError: it has neither.
    """
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise EncoderError(f"the tokenizer of base model {name!r} has neither a pad nor an eos token; add one")
        tokenizer.pad_token = tokenizer.eos_token


def length_limit(module: Any, tokenizer: Any) -> int | None:
    """Most tokens that a model can read, by its own word and its tokenizer's; None where there is no limit."""
    limits = []
    positions = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    # Relative positions (T5) have no table to run out of, whatever the config says.
    if positions is not None and positions > 0:
        limits.append(positions - first_position(module))
    # Tokenizers without a limit report an astronomically large one.
    if tokenizer.model_max_length < NO_LIMIT:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def first_position(module: Any) -> int:
    """RoBERTa and its kin count positions from after the padding index, so that part of their table is never used."""
    embeddings = (child for path, child in module.named_modules() if path.endswith("position_embeddings"))
    paddings = (getattr(child, "padding_idx", None) for child in embeddings)
    return max((padding + 1 for padding in paddings if padding is not None), default=0)


def _source(name: str) -> str:
    packaged = packaged_folder(name)
    if packaged is not None:
        return str(packaged)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name.startswith(("/", ".", "~", "\\")) or name.count("/") > 1 or not name.strip():
        raise EncoderError(
            f"base model {name!r} is not a folder; give a folder with config.json, {WEIGHTS} and the tokenizer, "
            f"or a Hugging Face name such as {DEFAULT_BASE_MODEL}"
        )
    return name
