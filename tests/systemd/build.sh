# What the container is made of, made once and kept. `run` sources it, and sets `here`, `checkout`, `cache` and `work`.
# shellcheck shell=bash disable=SC2154

release=bookworm # Debian 12, the oldest systemd (252) that the service is made for
packages=systemd,systemd-sysv,dbus,udev,python3-venv
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'tests/systemd: %s (%ss)\n' "$*" "$SECONDS" >&2; }
fail() {
  printf 'tests/systemd: %s\n' "$*" >&2
  exit 2
}

# $1: a name, the rest: what it depends on. Prints the folder in the cache that is for exactly this.
place() { printf '%s/%s-%s\n' "$cache" "$1" "$(printf '%s\n' "${@:2}" | sha256sum | cut -c1-12)"; }

# Runs "make_$1 FOLDER ..." unless its folder is there already; half-made ones are thrown away.
made() {
  local name=$1 folder=$2
  [ ! -e "$folder" ] || return 0
  say "making $name; it is kept in $folder"
  unfinished=$folder.part
  rm -rf "$unfinished"
  mkdir -p "$unfinished"
  # In the background, since on the left of || it would go on after an error.
  "make_$name" "$unfinished" "${@:3}" >"$cache/$name.log" 2>&1 &
  wait $! || {
    tail -n 30 "$cache/$name.log" >&2
    fail "$name could not be made; all that was said is in $cache/$name.log"
  }
  mv -T "$unfinished" "$folder"
  find "$cache" -maxdepth 1 -name "$name-*" ! -path "$folder" -mmin +600 -exec rm -rf {} +
}

# The programs that this machine needs, from Debian's packages.
tools() {
  local program missing=()
  local -A package=([systemd-nspawn]=systemd-container [debootstrap]=debootstrap [unshare]=util-linux)
  for program in "${!package[@]}"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing+=("${package[$program]}")
  done
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ -e "$keyring" ] || missing+=(debian-archive-keyring)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >&2
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

# Runs a command in the tree $1, without anything of this machine's.
inside() {
  local tree=$1
  shift
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot "$tree" "$@"
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
