# What machines that are made up share. Sourced with: say, fail; `place` and `made` also with `cache`, a folder.
#
# Packages of Debian: this machine's apt fetches them, with a state of its own, and they are unpacked; nothing of theirs
# is run, so they may be another processor's.
# shellcheck shell=bash disable=SC2154

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

# The programs that this machine needs, each as program=package; pip and Debian's keys besides. Installs what is missing.
tools() {
  local each missing=()
  for each; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${each%=*}" >/dev/null || missing+=("${each#*=}")
  done
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ -e "$keyring" ] || missing+=(debian-archive-keyring)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || fail "packages are missing; install them: \`sudo apt install ${missing[*]}\`"
  say "installing ${missing[*]}"
  { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >&2
}

# $1: a name, the rest: what it depends on. Prints the folder in the cache that is for exactly this.
place() { printf '%s/%s-%s\n' "$cache" "$1" "$(printf '%s\n' "${@:2}" | sha256sum | cut -c1-12)"; }

# Runs "make_$1 FOLDER ..." unless its folder is there already; half-made ones are thrown away, and so are those that
# depended on something else, some hours after they were used last.
made() {
  local name=$1 folder=$2
  [ ! -e "$folder" ] || { touch "$folder" && return; } # in use, by which the others are told
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
