#!/bin/sh
# Makes what the machines of this tier boot, once: Debian's own kernel with its
# modules, and a small initial file system. Prints three paths, a line each: the
# kernel, the initial file system, the directory of the modules. qemu and what
# else the tier runs are installed if missing; the kernel is unpacked, and not
# installed: this machine's /boot stays as it is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${OVERLAY_HOSTS_CACHE:-/var/cache/overlay-hosts}/vm
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 || {
    printf 'vm tier: `%s` failed:\n' "$*" >&2
    tail -n 20 "$log" >&2
    exit 1
  }
}

# The lists of packages may be missing or old: then the first try fails.
apt() {
  apt-get -qq -y -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 || {
    quietly apt-get -qq update
    quietly apt-get -qq -y -o DPkg::Lock::Timeout=120 "$@"
  }
}

# The Debian packages of those programs that are not there; none has a service.
missing_packages() {
  while read -r program package; do
    command -v "$program" >/dev/null || echo "$package"
  done <<PROGRAMS | sort -u
qemu-system-x86_64 qemu-system-x86
/usr/lib/qemu/virtiofsd qemu-system-common
busybox busybox-static
modprobe kmod
mkfs.ext4 e2fsprogs
PROGRAMS
}

install_programs() {
  command -v apt-get >/dev/null || {
    printf 'vm tier: this needs Debian or Ubuntu: there is no apt-get\n' >&2
    exit 1
  }
  packages=$(missing_packages | tr '\n' ' ')
  # shellcheck disable=SC2086
  [ -z "$packages" ] || apt --no-install-recommends install $packages
}

# Unpacks the package that linux-image-cloud-amd64 stands for at present.
make_kernel() {
  [ ! -d "$cache/kernel" ] || return 0
  printf 'vm tier: getting the kernel, once\n' >&2
  rm -rf "$cache/new"
  mkdir -p "$cache/new/package"
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')
  [ -n "$package" ] || {
    quietly apt-get -qq update
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')
  }
  (cd "$cache/new/package" && apt download "$package")
  dpkg -x "$cache"/new/package/*.deb "$cache/new/kernel"
  depmod -b "$cache/new/kernel" "$(ls "$cache/new/kernel/lib/modules")"
  mv "$cache/new/kernel" "$cache/kernel"
  rm -rf "$cache/new"
}

# busybox, our init, and the modules that its root needs, in the order to load them.
make_initrd() {
  [ ! -e "$initrd" ] || return 0
  tree=$cache/initrd.new
  rm -rf "$tree"
  mkdir -p "$tree/bin" "$tree/modules" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/lower" "$tree/writes" "$tree/root"
  cp "$(command -v busybox)" "$tree/bin/busybox"
  install -m 755 "$here/init.sh" "$tree/init"
  install -m 755 "$here/guest.sh" "$tree/guest.sh"
  for module in virtio_pci virtiofs overlay virtio_net virtio_console virtio_rng virtio_blk; do
    modprobe -d "$cache/kernel" -S "$version" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    cp "$file" "$tree/modules/"
    basename "$file" >>"$tree/modules/order"
  done
  (cd "$tree" && find . | busybox cpio -o -H newc 2>"$log" | gzip -1) >"$initrd.new"
  rm -f "$cache"/initrd-*.gz
  mv "$initrd.new" "$initrd"
  rm -rf "$tree"
}

install_programs
mkdir -p "$cache"
# One at a time: a second run waits here for the first.
exec 9>"$cache/lock"
flock 9
make_kernel
version=$(ls "$cache/kernel/lib/modules")
# Another one for other scripts.
initrd=$cache/initrd-$(cat "$here/init.sh" "$here/guest.sh" "$here/image.sh" | sha256sum | cut -c1-16).gz
make_initrd
printf '%s\n' "$cache/kernel/boot/vmlinuz-$version" "$initrd" "$cache/kernel/lib/modules"
