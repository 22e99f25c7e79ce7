# Packages of Debian for a machine that is made up: this machine's apt fetches them, with a state of its own, and they
# are unpacked; nothing of theirs is run, so they may be another processor's. Sourced with: fail.
# shellcheck shell=bash

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# $1: a folder for apt's state, $2: release, $3: architecture, $4: a mirror; none: the first that apt knows here.
own_apt() {
  local mirror=$4 known
  known=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' || true)
  mirror=${mirror:-${known%%$'\n'*}}
  [ -n "$mirror" ] || fail "apt knows no mirror of Debian here; name one in EDGE_DEBIAN_MIRROR"
  mkdir -p "$1"/{etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d},lists/partial,debs/{partial,none/partial}}
  touch "$1/status"
  printf "deb [signed-by=$keyring] $mirror %s main\n" "$2" "$2-updates" >"$1/etc/apt/sources.list"
  apt=(apt-get -q -y --no-install-recommends -o "Dir=$1" -o "Dir::State::status=$1/status"
    -o "Dir::State::lists=$1/lists" -o "Dir::Cache::archives=$1/debs" -o "APT::Architecture=$3"
    -o "APT::Architectures=$3" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Debug::NoLocking=1)
  debs=$1/debs
  "${apt[@]}" update
}

# $1: a folder, the rest: packages. Unpacks these and all that they need.
unpack() {
  local folder=$1 names
  shift
  # apt names only what it would have to fetch.
  names=$("${apt[@]}" -o "Dir::Cache::archives=$debs/none" install --print-uris "$@" | awk '/^\x27/ {print $2}')
  "${apt[@]}" install --download-only "$@"
  mkdir -p "$folder"
  (cd "$debs" && dpkg-deb -x base-files_*.deb "$folder" && printf '%s\n' "$names" |
    xargs -P2 -I{} dpkg-deb -x {} "$folder")
}
