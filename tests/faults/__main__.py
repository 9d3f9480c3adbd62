"""The whole run: `make faults`. A line for each test that ends, then a table of what was tried.

The figures stay in `.cache/faults/figures.json`; what fails leaves a plan to replay there.
"""

import os
import sys

import pytest

from tests.faults.figures import Progress

if __name__ == "__main__":
    os.environ["PTD_FAULTS"] = "whole"
    whole = ["tests/faults", "tests/flow", "tests/properties", "tests/api/test_arbitrary.py"]
    whole += ["tests/e2e/test_kill.py", "tests/unit/backends_local/test_kill.py"]
    whole += ["tests/unit/watchers/test_decide_properties.py"]
    wanted = sys.argv[1:] or whole
    arguments = ["-q", "-n", "2", "--dist", "worksteal", *wanted]
    sys.exit(pytest.main(arguments, plugins=[Progress(whole=not sys.argv[1:])]))
