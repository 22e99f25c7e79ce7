# What the container is made of, made once and kept. `run` sources it, and sets `here`, `checkout`, `cache` and `work`.
# shellcheck shell=bash disable=SC2154

release=bookworm # Debian 12, the oldest systemd (252) that the service is made for
packages=systemd,systemd-sysv,dbus,udev,python3-venv
# shellcheck source=tests/debian.bash
source "$here/../debian.bash"

say() { printf 'tests/systemd: %s (%ss)\n' "$*" "$SECONDS" >&2; }
fail() {
  printf 'tests/systemd: %s\n' "$*" >&2
  exit 2
}

# Debian with an environment in /opt/edge that has all that the wheel needs; the wheel itself comes at each boot.
make_root() {
  local folder=$1 wheel=$2 wheels=$work/wheels wanted
  debootstrap --foreign --variant=minbase --include="$packages" \
    "$release" "$folder" ${EDGE_DEBIAN_MIRROR:+"$EDGE_DEBIAN_MIRROR"}
  # It is thrown away where it fails, so that nothing has to reach the disk before the next package is unpacked.
  mkdir -p "$folder/etc/dpkg/dpkg.cfg.d"
  echo force-unsafe-io >"$folder/etc/dpkg/dpkg.cfg.d/unsafe"
  inside "$folder" /debootstrap/debootstrap --second-stage
  mapfile -t wanted < <(needs "$wheel")
  fetched "$wheels" "${wanted[@]}"
  cp -r "$wheels" "$folder/wheels"
  inside "$folder" python3 -m venv /opt/edge
  inside "$folder" /opt/edge/bin/pip install -q --no-index --find-links /wheels "${wanted[@]}"
  rm -rf "$folder"/{wheels,var/cache/apt,var/lib/apt/lists,usr/share/{doc,locale,man}}
  cat >"$folder/etc/systemd/system/edge-tests.service" <<'UNIT'
[Unit]
After=multi-user.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/bin/bash /job/do
StandardOutput=append:/job/out
StandardError=append:/job/out
UNIT
  mkdir -p "$folder/etc/systemd/system/default.target.wants" "$folder"/{job,edgekit}
  ln -s ../edge-tests.service "$folder/etc/systemd/system/default.target.wants/"
  mkdir -p "$folder/var/log/journal"
}

# `fetched FOLDER REQUIREMENT...`: wheels for the container's Python.
fetched() {
  local target=$1 glibc platforms=()
  shift
  for glibc in 36 35 34 31 28 27 17; do platforms+=(--platform "manylinux_2_${glibc}_$(uname -m)"); done
  python3 -m pip download -q --disable-pip-version-check --only-binary=:all: --python-version 3.11 \
    --implementation cp --abi cp311 --abi abi3 --abi none "${platforms[@]}" --platform "manylinux2014_$(uname -m)" \
    --dest "$target" "$@"
}

# Runs a command in the tree $1, without anything of this machine's. What it mounts there goes with it, so that
# throwing the tree away never reaches into this machine's /sys.
inside() {
  local tree=$1
  shift
  unshare --mount --propagation private env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot "$tree" "$@"
}

# What a wheel needs to run and to be tested, one requirement a line.
needs() {
  python3 - "$1" <<'PYTHON'
import email, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
text = wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))).decode()
needed = [line for line in email.message_from_string(text).get_all("Requires-Dist") if "extra ==" not in line]
print(*needed, "pytest>=8", sep="\n")
PYTHON
}

# The wheel under test; one is built from what the checkout holds, unless EDGE_WHEEL names one.
wheel() {
  [ -z "${EDGE_WHEEL:-}" ] || { realpath "$EDGE_WHEEL" && return; }
  mkdir "$work/source"
  # Files that git knows and that are not there any more are left out.
  (cd "$checkout" && git ls-files -z --cached --others --exclude-standard -- ':!tests' |
    tar -c --null --ignore-failed-read -T - 2>/dev/null) | tar -xC "$work/source"
  python3 -m pip wheel -q --disable-pip-version-check --no-deps --wheel-dir "$work" "$work/source" >&2
  rm -rf "$work/source"
  echo "$work"/edgekit-*.whl
}
