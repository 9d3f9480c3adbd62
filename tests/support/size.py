"""Whether this is the whole run (`make faults`, which sets PTD_FAULTS) or the bounded one.

Asked by tests that have two sizes. It imports nothing of ours, so that a unit test may ask, too.
"""

import os

WHOLE = os.environ.get("PTD_FAULTS") == "whole"
