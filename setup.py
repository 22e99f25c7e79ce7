"""Which folders ship and under which name; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {"edge.device_profiles": "device_profiles", "edge.benchmarks": "benchmarks"}

setup(packages=[*find_packages(include=["edge", "edge.*"]), *FOLDERS], package_dir=FOLDERS)
