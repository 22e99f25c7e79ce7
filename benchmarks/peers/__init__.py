"""What users would pick instead, on the same model, frames and threads: `python -m edge.benchmarks.peers`.

Each peer runs in an environment of its own, in a process of its own, and they are asked in turn, a few calls at a time:
what disturbs the machine disturbs all of them alike, and each ratio is of one turn, so that drift cancels.
"""
