"""The contents of `bundle.json`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from ...domain.model import Method
from ...errors import BundleError
from ..base.stored_facts import StoredFacts
from ..decoders.base import AnyDecoder, Decoder, decoder_of

__all__ = ["BundleFacts", "BundleManifest", "PartFacts"]

SCHEMA_VERSION = 2
LONGEST_SEQUENCE = 10_000_000


class BundleFacts(StoredFacts):
    """Facts about where the rows of a bundle came from, known before training.

    Attributes:
        field: key of the task's data that holds the first text.
        fields: the names of the fields that are read; empty: the first text alone.
    """

    field: str
    # Not strict, since JSON holds a tuple as a list.
    fields: Annotated[tuple[str, ...], Field(strict=False)] = ()
    label_config: str
    label_config_fingerprint: str
    snapshot_id: str


class PartFacts(StoredFacts):
    """Facts in a bundle about one control.

    Attributes:
        control: its name in the label config.
        head: the kind of head that answers it.
        method: how the part was made, never auto.
        decoder: how the head's answers come about; it stands under `readout` in the document.
        score_quantiles: the 0th to 100th percentile of the confidence in its answers.
        settings: that it was trained with.
    """

    QUANTILES: ClassVar[int] = 101

    control: str
    head: str
    method: Annotated[Method, Field(strict=False)]
    decoder: SerializeAsAny[AnyDecoder] = Field(validation_alias="readout", serialization_alias="readout")
    max_length_tokens: int
    # Not strict, since JSON holds a tuple as a list.
    score_quantiles: Annotated[tuple[float, ...], Field(strict=False)]
    settings: Mapping[str, Any]

    @property
    def linear_decoder(self) -> Decoder:
        """The decoder of a linear head.

        Raises:
            BundleError: a language model writes the answers.
        """
        if not isinstance(self.decoder, Decoder):
            raise BundleError(f"{self.control!r} is answered by a {self.head} head, which has no logits; train again")
        return self.decoder

    @field_validator("decoder", mode="plain")
    @classmethod
    def _decode_as_the_head_does(cls, value: object, info: ValidationInfo) -> AnyDecoder:
        """Read the document by the class for the head, which only this object names."""
        if isinstance(value, AnyDecoder):
            return value
        head = info.data.get("head")
        try:
            return decoder_of(str(head)).of(value)
        except KeyError:
            raise ValueError(f"there is no {head!r} head") from None
        except ValueError as error:
            raise ValueError(f"the decoder of a {head} head cannot be read: {error}") from None

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        quantiles, tokens = self.score_quantiles, self.max_length_tokens
        if len(quantiles) != PartFacts.QUANTILES or not all(0 <= score <= 1 for score in quantiles):
            fault = f"{len(quantiles)} score quantiles found; wanted {PartFacts.QUANTILES}, all from 0 to 1"
            raise ValueError(f"the part of {self.control!r} is wrong: {fault}")
        if not 0 < tokens <= LONGEST_SEQUENCE:
            fault = f"lengths of [{tokens}] tokens found; wanted 1 to {LONGEST_SEQUENCE}"
            raise ValueError(f"the part of {self.control!r} is wrong: {fault}")
        return self


class BundleManifest(StoredFacts):
    """The facts in `bundle.json`.

    Attributes:
        parts: one per control that the version answers, in the order of the label config.
        created_at: ISO 8601.
        libraries: versions of the libraries it was made with.
        files: sha256 per file, by path relative to the bundle.
    """

    model_version: str
    base_model: str
    base_model_sha256: str
    facts: BundleFacts
    parts: Annotated[tuple[PartFacts, ...], Field(strict=False)]
    seed: int
    created_at: str
    libraries: Mapping[str, str]
    files: Mapping[str, str] = {}
    schema_version: int = SCHEMA_VERSION

    @property
    def method(self) -> Method:
        """How all parts were made; auto where some were made otherwise than others."""
        methods = {part.method for part in self.parts}
        return methods.pop() if len(methods) == 1 else Method.AUTO
