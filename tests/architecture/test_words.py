"""Docstrings, comments and messages are written for a native reader: what of that a search can hold."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import PACKAGE, name_of, python_files, syntax_of

# A docstring begins with its subject, or with what the code does.
BEGINNINGS = ("For those", "Likewise", "Of", "Those", "What", "Where")
PHRASES = ("comes upon", "goes on from", "is told of", "likewise", "of its own", "of their own")
BEGINNING = re.compile(rf"({'|'.join(BEGINNINGS)})\b")
PHRASE = re.compile(rf"\b({'|'.join(PHRASES)})\b", re.IGNORECASE)
Found = tuple[int, str]


def test_docstrings_begin_with_a_subject_or_a_verb() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {text.splitlines()[0]}"
        for path in python_files(PACKAGE)
        for line, text in _docstrings(path)
        if BEGINNING.match(text)
    ]
    assert wrong == [], f"a docstring does not begin with {', '.join(BEGINNINGS)}"


def test_texts_do_without_phrases_that_have_to_be_read_twice() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {found.group()}"
        for path in python_files(PACKAGE)
        for line, text in [*_texts(path), *_comments(path)]
        for found in PHRASE.finditer(" ".join(text.split()))
    ]
    assert wrong == [], f"say it without {', '.join(PHRASES)}"


def _docstrings(path: Path) -> Iterator[Found]:
    for node in ast.walk(syntax_of(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def _texts(path: Path) -> Iterator[Found]:
    """Every string of a module, so docstrings and messages too."""
    for node in ast.walk(syntax_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _comments(path: Path) -> Iterator[Found]:
    """Comments, those on lines that follow each other as one."""
    last, texts = -1, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1 and texts:
            yield last, " ".join(texts)
            texts = []
        last = token.start[0]
        texts.append(token.string.lstrip("# "))
    if texts:
        yield last, " ".join(texts)
