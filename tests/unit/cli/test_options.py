"""Numbers of projects and jobs that the command line accepts."""

import pytest
from typer.testing import CliRunner

from ml_backend.cli.app import app

BEYOND = str(10**20)


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs", "show", BEYOND],
        ["jobs", "cancel", str(2**31)],
        ["jobs", "list", "--project", BEYOND],
        ["models", "rollback", "--project", "0"],
        ["doctor", str(2**63)],
        ["connect", "--", "-1"],
        ["train", "--project", BEYOND],
    ],
)
def test_a_number_that_no_database_counts_to_is_refused(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == 2
    assert f"{arguments[-1]} found; wanted a number from 1 to" in " ".join(done.output.split())
