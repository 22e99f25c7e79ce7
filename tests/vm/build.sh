# What the virtual machines are made of, each part made once and kept. `run` sources it, and sets `here`, `checkout`
# and `cache`.
# shellcheck shell=bash disable=SC2154

release=trixie # Debian 13: Python 3.13, libcamera 0.4
kernel=6.12
python=3.13
# picamera2, and what its import needs
cameras=(picamera2==0.3.38 videodev2 piexif pillow simplejpeg av libarchive-c tqdm jsonschema)

guest_packages=(base-files bash coreutils dash util-linux grep sed kmod procps passwd e2fsprogs udev systemd
  busybox-static python3 python3-pip python3-prctl python3-libcamera libcamera-ipa v4l-utils i2c-tools)
build_packages=(base-files bash coreutils dash sed grep findutils gzip tar mawk kmod linux-headers-amd64 gcc libc6-dev
  make)
modules=(vivid i2c-stub i2c-dev dummy_hcd libcomposite usb_f_acm videobuf2-v4l2 videobuf2-vmalloc videobuf2-dma-contig
  v4l2-tpg loop)
# Units that a guest without network, users and disks of its own has no use for, and that take it time.
idle=(systemd-logind.service systemd-networkd.service getty.target serial-getty@.service systemd-firstboot.service
  systemd-hwdb-update.service systemd-pstore.service ldconfig.service systemd-journal-catalog-update.service
  systemd-update-done.service systemd-timesyncd.service dev-hugepages.mount dev-mqueue.mount
  systemd-battery-check.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount
  systemd-binfmt.service)
boot_modules=(virtio_pci virtio_blk ext4 overlay 9p 9pnet_virtio)

standin=$checkout/tests/edgetpu/standin.c
# shellcheck source=tests/debian.bash
source "$here/../debian.bash"

say() { printf 'tests/vm: %s (%ss)\n' "$*" "$SECONDS" >&2; }
fail() {
  printf 'tests/vm: %s\n' "$*" >&2
  exit 1
}

# Sources of the drivers that Debian's kernel comes without, the kernel's own and v4l2loopback's. $1: a folder.
drivers() {
  local archive=./usr/src/linux-source-$kernel.tar.xz tree=linux-source-$kernel/drivers
  (cd "$debs" && "${apt[@]}" download "linux-source-$kernel" v4l2loopback-dkms)
  dpkg-deb --fsys-tarfile "$debs"/v4l2loopback-dkms_*.deb | tar -xC "$1" --strip-components=4 --wildcards './usr/src/*'
  dpkg-deb --fsys-tarfile "$debs/linux-source-$kernel"_*.deb | tar -xO "$archive" | xz -dc -T2 |
    tar -xC "$1" --strip-components=3 "$tree/hwmon/ina2xx.c" "$tree/hwmon/ina3221.c" \
      "$tree/media/"{v4l2-core/v4l2-mem2mem.c,test-drivers/vicodec,test-drivers/vimc}
}

# Runs a command in the tree $1, without anything of this machine's.
inside() {
  local tree=$1 own=()
  shift
  [ "$(id -u)" = 0 ] || own=(unshare --map-root-user)
  "${own[@]}" env -i PATH=/usr/sbin:/usr/bin chroot "$tree" "$@"
}

# Builds the drivers in $1, a tree with a compiler, and leaves all the modules that the guest may load in $1/out, with
# the library that stands in for Coral's.
compile() {
  local tree=$1 version out
  version=$(basename "$tree"/usr/lib/modules/*)
  out=$tree/out/usr/lib/modules/$version
  mkdir -p "$tree/src" "$out"
  ln -s usr/lib "$tree/out/lib"
  mknod -m 666 "$tree/dev/null" c 1 3
  ln -s mawk "$tree/usr/bin/awk"
  drivers "$tree/src"
  echo obj-m := ina2xx.o ina3221.o v4l2loopback.o v4l2-core/v4l2-mem2mem.o test-drivers/{vicodec,vimc}/ \
    >"$tree/src/Kbuild"
  inside "$tree" make -j2 -C "/usr/lib/modules/$version/build" M=/src CONFIG_VIDEO_VICODEC=m \
    CONFIG_VIDEO_VIMC=m modules
  inside "$tree" depmod "$version"
  with_needs "$tree" "$version" "${modules[@]}" | xargs -I{} cp "$tree{}" "$out"
  xz -d "$out"/*.xz
  cp "$tree"/src/{*.ko,*/*.ko,*/*/*.ko} "$tree/usr/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$out"
  inside "$tree" depmod -b /out "$version"
  cp "$standin" "$tree/src"
  inside "$tree" gcc -O1 -shared -fPIC -o /out/libstandin.so /src/standin.c
}

# Modules of the tree $1 and version $2, with all that they need, in the order in which they can be loaded.
with_needs() {
  inside "$1" modprobe -S "$2" --show-depends -a "${@:3}" | awk '$1 == "insmod" && !seen[$2]++ {print $2}'
}

# The kernel and its first file system, which mounts the guest's. $1: where to, $2: the tree with the kernel.
bootable() {
  local version file number=10 folder=$1/first
  version=$(basename "$2"/usr/lib/modules/*)
  cp "$2/boot/vmlinuz-$version" "$1/vmlinuz"
  mkdir -p "$folder"/{bin,dev,modules,proc,sys,lower,upper,root}
  cp "$1/tree/usr/bin/busybox" "$folder/bin"
  for file in $(with_needs "$2" "$version" "${boot_modules[@]}"); do
    number=$((number + 1))
    xz -dc "$2$file" >"$folder/modules/$number.ko"
  done
  install -m 755 "$here/first-init" "$folder/init"
  (cd "$folder" && find . | cpio -o -H newc --quiet) | gzip -1 >"$1/initrd"
  rm -r "$folder"
}

# $1: a folder, $2: the image to make of it.
image() {
  local size
  size=$(($(du -sm --apparent-size "$1" | cut -f1) * 5 / 4 + 16))
  mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$1" "$2" "${size}M"
}

# What the packages' own scripts would have made, and what begins the tests, as the first program or by systemd.
furnish() {
  local etc=$1/etc unit
  install -m 755 "$here/init" "$1/usr/sbin/edgekit-init"
  printf 'root:x:0:0::/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >"$etc/passwd"
  printf 'root:x:0:\nvideo:x:44:\nnogroup:x:65534:\n' >"$etc/group"
  echo 0123456789abcdef0123456789abcdef >"$etc/machine-id"
  mkdir -p "$etc/systemd/system/multi-user.target.wants"
  install -m 644 "$here/edgekit-tests.service" "$etc/systemd/system"
  ln -s ../edgekit-tests.service "$etc/systemd/system/multi-user.target.wants"
  for unit in "${idle[@]}"; do ln -sf /dev/null "$etc/systemd/system/$unit"; done
}

make_root() {
  own_apt "$1/apt" "$release" amd64 "${EDGE_DEBIAN_MIRROR:-}"
  unpack "$1/tree" "${guest_packages[@]}"
  unpack "$1/build" "${build_packages[@]}"
  compile "$1/build"
  bootable "$1" "$1/build"
  cp -r "$1/build/out/usr" "$1/tree"
  install -D -m 755 "$1/build/out/libstandin.so" "$1/tree/opt/libstandin.so"
  furnish "$1/tree"
  root=$1 guest_python -m compileall -q "$1/tree/usr/lib/python3" "$1/tree/usr/lib/python$python"
  image "$1/tree" "$1/root.img"
  rm -rf "$1"/{apt,build}
}

# The guest's Python, run here by its own dynamic loader.
guest_python() {
  local libraries=$root/tree/usr/lib/x86_64-linux-gnu
  PYTHONHOME=$root/tree/usr PYTHONPATH='' "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" \
    "$root/tree/usr/bin/python3" "$@"
}

# $1: where to, the rest: requirements. Compiled here, since the emulated machine would take long over it.
install_for_guest() {
  guest_python -m pip install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: --target "$@"
}

# $2: requirements, one a line.
make_site() {
  local -a wanted
  mapfile -t wanted <<<"$2"
  install_for_guest "$1/site" "${wanted[@]}"
  install_for_guest "$1/site" --no-deps "${cameras[@]}"
  image "$1/site" "$1/site.img"
  rm -rf "$1/site"
}

# $2: the wheel under test.
make_edge() {
  install_for_guest "$1/edge" --no-deps "$2"
  image "$1/edge" "$1/edge.img"
  rm -rf "$1/edge"
}

# What a wheel needs to run and to be tested, one requirement a line.
needs() {
  python3 - "$1" <<'PYTHON'
import email, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
text = wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))).decode()
needed = [line for line in email.message_from_string(text).get_all("Requires-Dist") if "extra ==" not in line]
print(*needed, "pytest>=8", "hypothesis>=6.100", sep="\n")
PYTHON
}

# The wheel under test; one is built from what the checkout holds, unless EDGE_WHEEL names one.
wheel() {
  [ -z "${EDGE_WHEEL:-}" ] || { realpath "$EDGE_WHEEL" && return; }
  local folder
  folder=$(mktemp -d "$cache/wheel.XXXX")
  mkdir "$folder/source"
  # Files that git knows and that are not there any more are left out.
  (cd "$checkout" && git ls-files -z --cached --others --exclude-standard -- ':!tests' |
    tar -c --null --ignore-failed-read -T - 2>/dev/null) | tar -xC "$folder/source"
  python3 -m pip wheel -q --disable-pip-version-check --no-deps --wheel-dir "$folder" "$folder/source" >&2
  rm -rf "$folder/source"
  echo "$folder"/*.whl
}
