"""The whole run: `make faults`. Its figures go to the build's folder, and into the docs.

Prints how many crash points and other faults were tried; what fails leaves a plan to replay.
"""

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["PTD_FAULTS"] = "whole"
    wanted = sys.argv[1:] or ["tests/faults", "tests/flow", "tests/properties"]
    sys.exit(pytest.main(["-q", "-n", "2", "--dist", "worksteal", *wanted]))
