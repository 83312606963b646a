"""One control's model in memory: an encoder, then a linear head, then what its logits say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...arrays import Floats2d
from ...domain.model import ScoredTarget
from ...errors import BundleError, EncoderError
from ..base.adapters import ADAPTER_FOLDER, load_adapter
from ..base.base_model import Backbone, load_backbone
from ..base.stored_facts import in_a_line
from ..bundle.bundle import Bundle
from ..bundle.head import Head
from ..decoders.base import Decoder
from ..graphs.graph import Graph
from ..graphs.store import SharedBase
from .encoder import Encoder
from .tokenised import TokenisedTexts
from .torch_encoder import TextEncoder

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TextClassifier", "save_weights", "served_graph", "tuned_backbone"]


@dataclass(frozen=True, slots=True, eq=False)
class TextClassifier:
    """Texts to answers. Safe to use from several threads, as its encoder is."""

    encoder: Encoder
    head: Head
    decoder: Decoder

    def read(self, texts: Sequence[str]) -> TokenisedTexts:
        """The texts as this model reads them."""
        return self.decoder.tokenise(self.encoder, texts)

    def logits(self, tokenised: TokenisedTexts) -> Floats2d:
        """Uncalibrated logits per unit, shape (U, K)."""
        return self.decoder.logits(self.head, self.encoder.vectors(tokenised), tokenised)

    def answers(self, texts: Sequence[str]) -> list[ScoredTarget]:
        """One answer per text, in the order given."""
        tokenised = self.read(texts)
        return self.decoder.answers(self.logits(tokenised), tokenised)

    def answers_and_likeness(self, texts: Sequence[str]) -> tuple[list[ScoredTarget], Floats2d | None]:
        """One answer per text, in the order given, and what tells how well the texts fit; see `Decoder.likeness`."""
        tokenised = self.read(texts)
        features = self.encoder.vectors(tokenised)
        logits = self.decoder.logits(self.head, features, tokenised)
        return self.decoder.answers(logits, tokenised), self.decoder.likeness(features, logits, tokenised)

    @classmethod
    def load(cls, bundle: Bundle, position: int, *, use_bf16: bool | None = None) -> "TextClassifier":
        """The model of a bundle's part with a linear head, computed by torch, its adapter merged into the base weights.

        Raises:
            BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
            EncoderError: the base model cannot be loaded.
        """
        manifest, part = bundle.manifest, bundle.manifest.parts[position]
        try:
            backbone = load_backbone(manifest.base_model)
        except EncoderError as error:
            raise EncoderError(f"{manifest.model_version} needs its base model: {error}") from error
        bundle.check_base(backbone.weights_sha256)
        backbone = tuned_backbone(backbone, bundle.part_folder(position))
        encoder = TextEncoder(backbone, max_length_tokens=part.max_length_tokens, use_bf16=use_bf16)
        return TextClassifier.over(bundle, position, encoder)

    @classmethod
    def over(cls, bundle: Bundle, position: int, encoder: Encoder) -> "TextClassifier":
        """The model of a bundle's part with a linear head.

        Args:
            encoder: computes the part's own weights.

        Raises:
            BundleError: the bundle is damaged, or the head does not fit the encoder.
        """
        manifest, part = bundle.manifest, bundle.manifest.parts[position]
        head, decoder = bundle.head(position), part.linear_decoder
        wanted = decoder.columns, decoder.features(encoder.width)
        if head.weight.shape != wanted:
            raise BundleError(
                f"{manifest.model_version}: the head of {part.control!r} gives {head.weight.shape[0]} numbers from "
                f"{head.weight.shape[1]} features; wanted {wanted[0]} from the {wanted[1]} that {manifest.base_model} "
                "with what else is read give; train again"
            )
        return cls(encoder, head, decoder)


def served_graph(bundle: Bundle, position: int, shared: SharedBase) -> Graph | None:
    """The graph that computes a part: its own, or the base model's where nothing in that was trained.

    None where the base model was tuned and could not be exported.

    Args:
        shared: of the bundle's base model.

    Raises:
        BundleError: the bundle was trained on other base weights.
        GraphError: the graph cannot be read.
    """
    bundle.check_base(shared.facts.base_model_sha256)
    folder = bundle.part_folder(position)
    if (folder / Graph.FOLDER).is_dir():
        return Graph.read(folder / Graph.FOLDER)
    is_tuned = bundle.adapter(position) is not None or bundle.weights(position) is not None
    return None if is_tuned else shared.graph


def tuned_backbone(backbone: Backbone, part_folder: Path) -> Backbone:
    """A base model with what a part's training changed in it; it is used up, and may be changed itself.

    Raises:
        BundleError: the part's files do not fit it.
    """
    if (part_folder / ADAPTER_FOLDER).is_dir():
        backbone = _merged(backbone, part_folder)
    weights = part_folder / Bundle.WEIGHTS_NAME
    if weights.is_file():
        _replace_weights(backbone, weights)
    return backbone


def save_weights(module: "nn.Module", part_folder: Path) -> None:
    """Write all weights of a model."""
    from safetensors.torch import save_model

    part_folder.mkdir(parents=True, exist_ok=True)
    save_model(module, str(part_folder / Bundle.WEIGHTS_NAME))


def _replace_weights(backbone: Backbone, weights: Path) -> None:
    from safetensors.torch import load_model

    try:
        load_model(backbone.module, str(weights))
    except Exception as error:  # libraries may raise anything when files were changed
        raise BundleError(
            f"the weights in {weights} do not fit {backbone.name}: {in_a_line(error)}; train again"
        ) from error


def _merged(backbone: Backbone, part_folder: Path) -> Backbone:
    try:
        merged: nn.Module = load_adapter(backbone.module, part_folder).merge_and_unload(safe_merge=True)
    except Exception as error:  # as above
        raise BundleError(
            f"the adapter in {part_folder / ADAPTER_FOLDER} does not fit {backbone.name}: {in_a_line(error)}; "
            "train again"
        ) from error
    return replace(backbone, module=merged.eval())
