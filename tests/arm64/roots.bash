# shellcheck shell=bash disable=SC2154
# What `run` makes and keeps: a root of Debian for the emulated machine, and the Python packages that the tests need.
# Sourced with: here, checkout, python, cache, work, machine, debian, triplet; say, fail.

release=bookworm
case $machine in
aarch64) packages=(python3 libstdc++6 umockdev) ;;
armv7l) packages=(python3 libpython3.11-dev python3-numpy python3-opencv) ;;
esac
essential=(base-files base-passwd bash coreutils dash debianutils diffutils dpkg findutils grep gzip hostname libc-bin
  login ncurses-base ncurses-bin perl-base procps sed sysvinit-utils tar util-linux)
# shellcheck source=tests/debian.bash
source "$here/../debian.bash"

# What the 32-bit machine has from Debian, or needs a way of its own: the index has no wheels of these for it.
case $machine in
aarch64) elsewhere=() ;;
armv7l) elsewhere=(numpy opencv-python-headless tflite-runtime msgspec pytest-cov) ;;
esac

# `made NAME COMMAND...`: a folder of the cache. Where it is absent, COMMAND fills another, which then gets the name.
made() {
  local name=$1 code
  shift
  [ ! -d "$cache/$name" ] || return 0
  say "making $name in $cache"
  mkdir -p "$cache"
  unfinished=$(mktemp -d "$cache/new.XXXXXX")
  chmod 755 "$unfinished"
  set +e # in a condition, or before ||, no failure would end COMMAND
  (set -e; "$@" "$unfinished") >"$work/log" 2>&1
  code=$?
  set -e
  if [ $code != 0 ]; then
    tail -n 20 "$work/log" >&2
    fail "$name could not be made"
  fi
  mv -T "$unfinished" "$cache/$name" 2>/dev/null || rm -rf "$unfinished" # another run was first
}

# Packages are unpacked and not configured, for which hundreds of programs would have to run under emulation.
make_root() {
  local root=$1 library from=$1/usr/lib/$triplet
  own_apt "$work/apt-$debian" "$release" "$debian" "${EDGE_DEBIAN:-}"
  unpack "$root" "${essential[@]}" "${packages[@]}"
  rm -rf "$work/apt-$debian" "$root"/usr/share/{doc,locale,man}
  # What the packages' own scripts would have made.
  cp "$root"/usr/share/base-passwd/passwd.master "$root"/etc/passwd
  cp "$root"/usr/share/base-passwd/group.master "$root"/etc/group
  for library in "$from"/{blas,lapack}/*.so.3; do
    [ ! -e "$library" ] || ln -sf "${library#"$from/"}" "$from/"
  done
  mkdir -p "$root"/{site,edgekit,given,src/edgekit,src/shared} "$root"/usr/local/lib/python3.11/dist-packages
  printf '/site\n/edgekit\n' >"$root"/usr/local/lib/python3.11/dist-packages/tests.pth
  bytecode "$root"/usr/lib/python3.11 /usr/lib/python3.11
  bytecode "$root"/usr/lib/python3 /usr/lib/python3
}

# `bytecode FOLDER PLACE`: the same for every machine, so a Python of that version makes it here, at native speed.
bytecode() {
  local native
  for native in "$python" python3 python3.11 /usr/bin/python3; do
    "$native" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || continue
    "$native" -m compileall -q -s "$1" -p "$2" "$1" >/dev/null || true # some packages ship files of other versions
    return 0
  done
}

# `fetched FOLDER pip's words...`: wheels for the emulated machine, unpacked by this machine's pip.
fetched() {
  local target=$1 glibc platforms=()
  shift
  for glibc in 36 35 34 31 28 27 17; do platforms+=(--platform "manylinux_2_${glibc}_$machine"); done
  "$python" -m pip install --disable-pip-version-check --root-user-action=ignore --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none "${platforms[@]}" \
    --platform "manylinux2014_$machine" --no-compile --target "$target" "$@"
  [ ! -d "$target/bin" ] || sed -i '1s|^#!.*|#!/usr/bin/python3|' "$target"/bin/*
}

needed() { "$python" "$here/requirements.py" "$wheel" "$machine" "$@"; }

make_site() {
  local lines
  mapfile -t lines < <(needed "${elsewhere[@]}")
  fetched "$1" pip "${lines[@]}" # some tests have pip fetch a wheel
  if [ "$machine" = armv7l ]; then
    fetched "$1" --no-deps tflite-runtime==2.14.0
    build_msgspec "$1"
  fi
  bytecode "$1" /site
}

# It is one file of C, which a cross compiler makes in a fifth of the time that it would take under emulation.
build_msgspec() {
  local root=$cache/$root_name
  (cd "$work" && "$python" -m pip download -q --no-deps --no-binary=:all: msgspec && tar -xzf msgspec-*.tar.gz)
  cp -r "$work"/msgspec-*/src/msgspec "$1"
  "$triplet-gcc" -O1 -shared -fPIC -DNDEBUG "-I$root/usr/include/python3.11" "-I$root/usr/include" \
    -o "$1/msgspec/_core.cpython-311-$triplet.so" "$1/msgspec/_core.c" -lm
}

make_wheel() {
  say "building the wheel"
  mkdir "$work/copy"
  # From a copy, since building leaves folders beside what it builds, and takes what it finds in them.
  (cd "$checkout" && cp -r edge benchmarks device_profiles systemd pyproject.toml setup.py README.md LICENSE NOTICE \
    "$work/copy")
  "$python" -m pip wheel -q --no-deps -w "$work" "$work/copy"
  wheel=$(echo "$work"/edgekit-*.whl)
}

make_all() {
  local way
  way=$(declare -f make_root own_apt unpack bytecode fetched make_site build_msgspec)
  root_name=$release-$debian-$(echo "${essential[*]} ${packages[*]} $way" | sha256sum | cut -c1-12)
  made "$root_name" make_root
  wheel=${EDGE_WHEEL:-}
  [ -n "$wheel" ] || make_wheel
  site_name=$release-$debian-site-$( (needed && echo "$root_name") | sha256sum | cut -c1-12)
  made "$site_name" make_site
  fetched "$work/edgekit" -q --no-deps "$wheel"
  bytecode "$work/edgekit" /edgekit
}
