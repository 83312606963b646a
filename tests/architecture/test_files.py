"""What no file of the repository may hold."""

import re

from tests.architecture.tree import name_of, repository_files

# Put together here, so that this file does not hold them itself.
FORBIDDEN = {
    "a path of one machine": ["/" + "work/", "/" + "root/", "/" + "home/"],
    "the host of a package registry": [
        "py" + "pi.org",
        "python" + "hosted.org",
        "npm" + "js.org",
        "npm" + "js.com",
        "deb." + "debian.org",
    ],
    "a private key": ["-----BEGIN " + "PRIVATE KEY", "-----BEGIN RSA " + "PRIVATE KEY"],
}
SECRET = re.compile(
    r"\bhf_[A-Za-z0-9]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bAKIA[A-Z0-9]{16}\b|\bsk-[A-Za-z0-9]{32,}"
    r"|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}"
)


def test_no_file_holds_a_secret_or_names_a_machine() -> None:
    texts = {name_of(path): path.read_bytes().decode(errors="replace") for path in repository_files()}
    found = [
        f"{name}: {what}: {part}"
        for name, text in texts.items()
        for what, parts in FORBIDDEN.items()
        for part in parts
        if part in text
    ]
    found += [f"{name}: {secret}" for name, text in texts.items() for secret in SECRET.findall(text)]
    assert found == []
