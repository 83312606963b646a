import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = """
import sys
from pathlib import Path
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry

MlflowTracker("sqlite:///never/mlflow.db", Path("never"))
MlflowRegistry("sqlite:///never/mlflow.db", Path("never"))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"mlflow", "alembic", "pandas", "matplotlib", "torch"}))
"""


def test_building_tracker_and_registry_imports_nothing_heavy_and_writes_nothing(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-c", BUILD],
        env={"PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    assert built.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []
