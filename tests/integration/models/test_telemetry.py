import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def test_onnxruntime_keeps_no_identifier_and_no_reports_for_its_makers(tmp_path: Path) -> None:
    # Without what it knows a CI machine or a test by: it would report nothing there anyway.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", "import ml_backend, onnxruntime"], env=environment, cwd=tmp_path, check=True)

    assert list(tmp_path.iterdir()) == []
