"""The page of claims is what the analysis says today."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_claims_is_written_by_our_own_analysis() -> None:
    command = [sys.executable, "docs/claims.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "run python docs/claims.py"
