"""A real Chromium, and what everybody does with it first."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_backend.labelstudio.local import LocalStudio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

__all__ = ["browser", "keep", "logged_in", "mark", "new_context"]

SCREENSHOTS = Path(__file__).resolve().parents[1] / "artifacts" / "e2e"
SIZE = {"width": 1280, "height": 800}
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000
# Where a piece of the shown text stands on the screen: the middle of its first and of its last character.
PLACE_OF_PIECE = """piece => {
  const frame = document.querySelector("iframe.lsf-richtext__iframe");  // hypertext stands in one
  const shown = frame ? frame.contentDocument : document;
  const root = frame ? shown.body : document.querySelector(".lsf-richtext__container, .lsf-paragraphs");
  const { left: x, top: y } = frame ? frame.getBoundingClientRect() : { left: 0, top: 0 };
  const walker = shown.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const start = node.data.indexOf(piece);
    if (start < 0) continue;
    const range = shown.createRange();
    const middle = at => {
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      const box = range.getBoundingClientRect();
      return [x + box.left, x + box.right, y + box.top + box.height / 2];
    };
    const [left, , top] = middle(start), [, right, bottom] = middle(start + piece.length - 1);
    return [left + 1, top, right - 1, bottom];
  }
}"""


@pytest.fixture
def browser() -> "Iterator[Browser]":
    """A headless Chromium of this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on PATH")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_OPTIONS))
        yield running
        running.close()


def new_context(browser: "Browser", **options: object) -> "BrowserContext":
    """A context with a window of the usual size."""
    context = browser.new_context(viewport=SIZE, **options)
    context.set_default_timeout(PATIENCE_MS)
    return context


def logged_in(browser: "Browser", studio: LocalStudio) -> "Page":
    """A page of Label Studio's first user."""
    page = new_context(browser).new_page()
    page.goto(f"{studio.url}/user/login/")
    page.locator("input[name=email]").fill(studio.email)
    page.locator("input[name=password]").fill(studio.password)
    page.get_by_role("button", name=re.compile("log ?in", re.IGNORECASE)).click()
    page.wait_for_url(re.compile(r"/projects|/$"))
    return page


def keep(page: "Page", name: str) -> None:
    """Keep a screenshot among the artifacts."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def mark(page: "Page", label: str, piece: str) -> None:
    """Mark a piece of the shown text with the mouse; it must stand in it once, and lie within one element."""
    page.locator(".lsf-labels").get_by_text(label, exact=True).click()
    left, top, right, bottom = page.evaluate(PLACE_OF_PIECE, piece)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=5)
    page.mouse.up()
