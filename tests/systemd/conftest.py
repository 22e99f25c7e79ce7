"""Its tests run in the container that `tests/systemd/run` boots, and nowhere else."""

import os

collect_ignore = [] if "EDGE_IN_CONTAINER" in os.environ else ["guest"]
