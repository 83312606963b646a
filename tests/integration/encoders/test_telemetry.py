import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
LOADED_BY = "import {}; import onnxruntime; print(onnxruntime.get_available_providers())"


def files_left_by(package: str, home: Path) -> list[Path]:
    """What loading onnxruntime after the package leaves in a user's home."""
    # Without what it knows a CI machine or a test by: it would report nothing there anyway.
    subprocess.run(
        [sys.executable, "-c", LOADED_BY.format(package)],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(REPOSITORY)},
        cwd=home,
        check=True,
        capture_output=True,
    )
    return [path for path in home.rglob("*") if path.is_file()]


def test_onnxruntime_keeps_no_identifier_and_no_reports_for_its_makers(tmp_path: Path) -> None:
    assert files_left_by("ml_backend", tmp_path) == []
