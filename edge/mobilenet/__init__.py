"""MobileNetV2: the network, its official weights, quantisation and export. Needs the ``train`` extra."""
