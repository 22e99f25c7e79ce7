"""Which folders ship and under which name; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {"edge.device_profiles": "device_profiles", "edge.benchmarks": "benchmarks"}

INSIDE = [f"{name}.{part}" for name, folder in FOLDERS.items() for part in find_packages(folder)]

setup(packages=[*find_packages(include=["edge", "edge.*"]), *FOLDERS, *INSIDE], package_dir=FOLDERS)
