"""The tests in `guest` need drivers that only the virtual machine has: `tests/vm/run` runs them there."""

import os

collect_ignore = [] if "EDGE_IN_GUEST" in os.environ else ["guest"]
