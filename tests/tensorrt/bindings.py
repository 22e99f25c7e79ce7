"""Makes NVIDIA's bindings readable where there is no TensorRT: `python bindings.py FOLDER PACKAGE` prints their names.

FOLDER is where `pip install --target FOLDER --no-deps tensorrt_cu12_bindings` put them. What they are linked against
(libnvinfer and others) is replaced by libraries that have the same functions and do nothing.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARY = re.compile(r"\[(libnv\w+\.so\.\d+)\]")


def stand_ins(binding, folder):
    """Write the libraries that `binding` wants into `folder`."""
    wanted = LIBRARY.findall(subprocess.check_output(["readelf", "-d", binding], text=True))
    symbols = subprocess.check_output(["nm", "-D", "--undefined-only", binding], text=True).split()
    ours = [name for name in symbols if re.match(r"(create|getBuilder|getNv|getPlugin|initLib|_ZN\d+nv)", name)]
    source = folder / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in ours if "@" not in name))
    for library in wanted:
        out = ["-o", folder / library, f"-Wl,-soname,{library}"]
        subprocess.run(["gcc", "-shared", "-fPIC", source, *out], check=True)


def names(folder, package):
    """What `read_api.py` prints for a package under `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        stand_ins(next((Path(folder) / package).glob("tensorrt*.so")), Path(scratch))
        env = {**os.environ, "LD_LIBRARY_PATH": scratch, "PYTHONPATH": str(folder)}
        script = Path(__file__).with_name("read_api.py")
        return subprocess.check_output([sys.executable, script, package], env=env, text=True, cwd=scratch)


if __name__ == "__main__":
    print(names(*sys.argv[1:]))
