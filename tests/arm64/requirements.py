"""What a wheel of edgekit needs, and its tests, on a machine of that kind: one requirement a line.

usage: requirements.py WHEEL MACHINE [NAME OF A PACKAGE THAT COMES FROM ELSEWHERE]...

pip asks its own machine what the conditions of a requirement say, even where it installs for another.
"""

import sys
import zipfile
from email.parser import HeaderParser

from pip._vendor.packaging.requirements import Requirement


def needed(wheel: str, machine: str, *elsewhere: str) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    there = {"platform_machine": machine, "python_version": "3.11", "python_full_version": "3.11.2"}
    lines = []
    for text in metadata.get_all("Requires-Dist", []):
        line = Requirement(text)
        asked = [{**there, "extra": extra} for extra in ("", "test")]
        if line.name not in elsewhere and (line.marker is None or any(map(line.marker.evaluate, asked))):
            line.marker = None
            lines.append(str(line))
    return lines


if __name__ == "__main__":
    print("\n".join(needed(*sys.argv[1:])))
