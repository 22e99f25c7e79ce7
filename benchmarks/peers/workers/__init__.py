"""What a user would write with each peer: `open(model, threads)` gives the three steps that are timed.

`prepare` makes a tensor of a frame (480 x 640 x 3 uint8, RGB), `infer` runs the model on it, `classify` does it all
and gives the index of the first class. All look at the same part of the frame, the 448 x 448 pixels in its middle,
which the model takes at half the size. A peer that hides its steps gives only `classify`. The files run in environments
without edgekit, and are started by `worker.py`.
"""
