"""Real but tiny decoders with their language-model heads, built from a config with fixed random weights."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
CHATML = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
TEXTS = (
    "Please answer the customer in one short and polite sentence.",
    "My card was stolen yesterday, what should I do now?",
    "We are sorry to hear that. Please block the card in the app at once.",
    "### Instruction: ### Response: user assistant",
)


def byte_tokenizer(texts: Iterable[str] = TEXTS, *, has_chat_template: bool = False, vocabulary: int = 400) -> Any:
    """A byte-level BPE tokenizer trained on the texts; it can write every text there is, and begins one with BOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, BOS, EOS, "<|start|>", "<|end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD)
    if has_chat_template:
        made.chat_template = CHATML
    return made


def tiny_decoder(
    kind: str, tokenizer: Any, *, width: int = 32, layers: int = 2, length: int = 256, seed: int = 0, tied: bool = False
) -> Any:
    """A decoder of the kind (`llama`, `gpt2` or `qwen2`) for the tokenizer's vocabulary."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    ids = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": tied,
    }
    sizes = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": length,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "gpt2":
            return GPT2LMHeadModel(GPT2Config(n_embd=width, n_layer=layers, n_head=2, n_positions=length, **ids)).eval()
        if kind == "qwen2":
            return Qwen2ForCausalLM(Qwen2Config(**sizes, **ids)).eval()
        return LlamaForCausalLM(LlamaConfig(**sizes, **ids)).eval()


def save_tiny_decoder(kind: str, folder: Path, tokenizer: Any | None = None, **options: Any) -> str:
    """Write a tiny decoder and its tokenizer as a base model folder; returns its path."""
    tokenizer = tokenizer or byte_tokenizer()
    tiny_decoder(kind, tokenizer, **options).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
