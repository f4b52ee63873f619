"""Where things are."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BENCH: Final = ROOT / "bench"
PROJECT: Final = ROOT / "examples" / "invoicing"
RESULTS: Final = BENCH / "results"

#: The environment of all that is measured; `scripts/make_bench.sh` makes it.
PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"
