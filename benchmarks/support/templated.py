"""Make templated texts: what programs and forms write, where many texts differ in a few values.

Each set has its templates, a few of which are frequent and most of which are rare, as in real inboxes and logs (Zipf's
law with exponent 1). Values are those of one business: some names, articles and hosts come up again and again, beside
numbers and dates that hardly do.
"""

import random
from pathlib import Path

__all__ = ["SETS", "templated_texts", "templates_of"]

FOLDER = Path(__file__).parent / "templates"
SETS = ("forms", "invoice lines", "logs", "prompts")
NUMBERS = {"few": (1, 5), "count": (1, 60), "number": (10_000, 99_999), "ms": (1, 3000), "percent": (70, 99)}


def templates_of(name: str) -> list[str]:
    """Return the templates of a set, with the names of values in braces."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def templated_texts(templates: list[str], count: int, seed: int) -> list[str]:
    """Return texts in the order in which they would come in, each of a template drawn anew."""
    chance, values = random.Random(seed), _values()
    order = chance.sample(templates, len(templates))
    weights = [1 / (rank + 1) for rank in range(len(order))]
    return [_filled(template, values, chance) for template in chance.choices(order, weights, k=count)]


def _values() -> dict[str, list[str]]:
    """Return the lists of values, the most frequent of each first."""
    lines = (FOLDER / "values.txt").read_text(encoding="utf-8").splitlines()
    return {name: values.split(" | ") for name, _, values in (line.partition(": ") for line in lines)}


def _filled(template: str, values: dict[str, list[str]], chance: random.Random) -> str:
    """Return the template with a value in each place, drawn for each place by itself."""
    first, *others = template.split("{")
    places = (part.partition("}") for part in others)
    return first + "".join(_value(name, values, chance) + rest for name, _, rest in places)


def _value(name: str, values: dict[str, list[str]], chance: random.Random) -> str:
    if name in NUMBERS:
        return str(chance.randint(*NUMBERS[name]))
    if name == "date":
        return f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    if name == "ip":
        return f"10.0.{chance.randint(0, 3)}.{chance.randint(1, 250)}"
    weights = [1 / (rank + 1) ** 0.7 for rank in range(len(values[name]))]
    return chance.choices(values[name], weights)[0]
