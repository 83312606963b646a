"""Every page in a browser, judged by axe-core: light and dark, on a phone and on a desk."""

import io
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from werkzeug.serving import make_server

from ml_backend.web.app import create_app
from ml_backend.workflows.services import Services
from tests.browser import new_context
from tests.page_walk import fill_home, walk
from tests.services import build_test_services
from tests.visitors import PASSWORD, signed_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.long

AXE = "axe-core@4.14.1"
RUN = "() => axe.run({ resultTypes: ['violations'] }).then(found => found.violations)"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script that judges a page."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on PATH, which brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "pack", AXE, "--pack-destination", str(folder), "--silent"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
    if done.returncode:
        pytest.skip(f"npm does not bring {AXE}: {done.stderr.strip()[-200:]}")
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return io.TextIOWrapper(script, encoding="utf-8").read()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("full")
    fill_home(folder / "home")
    return build_test_services(folder)


@pytest.fixture(scope="module")
def site(services: Services) -> Iterator[tuple[str, list[str]]]:
    """The address of a running server, and the paths of its pages."""
    app = create_app(services)
    client = signed_in(app, services, password=PASSWORD)
    addresses = [address for _, address, answer in walk(app, client) if answer.mimetype == "text/html"]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}", addresses
    server.shutdown()
    thread.join()
    server.server_close()


def faults(page: "Page", axe: str) -> Iterator[str]:
    """Yield the grave faults of the page that is open: the rule, the place, an element, and what is wrong with it."""
    page.evaluate(axe)
    for each in page.evaluate(RUN):
        if each["impact"] in GRAVE:
            node = each["nodes"][0]
            yield f"{each['id']} at {page.url}: {node['html'][:200]}: {node['failureSummary'][:300]}"


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 360), ("light", 1440), ("dark", 1440)])
def test_no_page_has_a_grave_fault_or_asks_another_host_or_is_wider_than_the_window(
    browser: "Browser", axe: str, site: tuple[str, list[str]], scheme: str, width: int
) -> None:
    url, addresses = site
    context = new_context(browser, color_scheme=scheme)
    page, foreign = context.new_page(), list[str]()
    page.on("request", lambda request: None if request.url.startswith(url) else foreign.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{url}/login")
    found, too_wide = [*faults(page, axe)], list[str]()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()
    for address in addresses:
        page.goto(url + address)
        found += faults(page, axe)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            too_wide.append(address)

    assert found == []
    assert too_wide == []
    assert foreign == []
