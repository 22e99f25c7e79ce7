"""MobileNetV2: the network, its official weights, quantisation and export. Needs the ``train`` extra."""

import os

# Before PyTorch is loaded: its threads shall sleep, not spin, while they wait for each other. On a machine that does
# something else as well, two threads are three times as fast so (measured).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
