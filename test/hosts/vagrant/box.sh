#!/bin/sh
# Makes a box for vagrant-libvirt like those that people get, once: Debian with
# systemd, sshd and the user vagrant. Prints its path. It boots Debian's kernel
# directly, emulated, and asks for little: for machines without virtualisation.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
mirror=${OVERLAY_HOSTS_MIRROR:-http://deb.debian.org/debian}
cache=${OVERLAY_HOSTS_CACHE:-/var/cache/overlay-hosts}/vagrant
# What our package depends on is here too, since the machines have no way to a mirror.
packages=systemd,systemd-sysv,udev,dbus,openssh-server,sudo,isc-dhcp-client,ifupdown,kmod,linux-image-cloud-amd64
packages=$packages,adduser,iproute2,nftables,iputils-ping,procps,openssl,ca-certificates,tcpdump
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 || {
    printf 'vagrant tier: `%s` failed:\n' "$*" >&2
    tail -n 20 "$log" >&2
    exit 1
  }
}

# The Debian packages of those programs that are not there; none of them starts a service.
missing_packages() {
  while read -r program package; do
    command -v "$program" >/dev/null || echo "$package"
  done <<PROGRAMS | sort -u
vagrant vagrant
libvirtd libvirt-daemon
virtlogd libvirt-daemon
virsh libvirt-clients
qemu-system-x86_64 qemu-system-x86
qemu-img qemu-utils
dnsmasq dnsmasq-base
debootstrap debootstrap
mkfs.ext4 e2fsprogs
ssh openssh-client
iptables iptables
PROGRAMS
  [ -e /usr/share/doc/vagrant-libvirt ] || echo vagrant-libvirt
  [ -e /usr/share/doc/libvirt-daemon-driver-qemu ] || echo libvirt-daemon-driver-qemu
}

install_programs() {
  command -v apt-get >/dev/null || {
    printf 'vagrant tier: this needs Debian: there is no apt-get\n' >&2
    exit 1
  }
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086
  apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 install $missing >"$log" 2>&1 || {
    quietly apt-get -qq update
    quietly apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 install $missing
  }
}

make_root() {
  quietly debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror"
  rm -f "$root"/var/cache/apt/archives/*.deb
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    getty@.service systemd-timesyncd.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  printf '/dev/vda / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
  printf 'box\n' >"$root/etc/hostname"
  printf 'auto lo\niface lo inet loopback\nallow-hotplug eth0\niface eth0 inet dhcp\nsource /etc/network/interfaces.d/*\n' \
    >"$root/etc/network/interfaces"
  # All machines of it have one machine id, as of boxes that were made without thought.
  printf '0123456789abcdef0123456789abcdef\n' >"$root/etc/machine-id"
  chroot "$root" useradd --create-home --shell /bin/bash vagrant
  printf 'vagrant ALL=(ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/vagrant"
  install -d -m 700 "$root/home/vagrant/.ssh"
  # The public key that Vagrant knows, and replaces at the first start.
  install -m 600 "$(find /usr/share -path '*vagrant*/keys/vagrant.pub' | head -n 1)" "$root/home/vagrant/.ssh/authorized_keys"
  chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
  printf 'UseDNS no\n' >"$root/etc/ssh/sshd_config.d/vagrant.conf"
}

# vagrant-libvirt's format: metadata, the disk, and a Vagrantfile of the box's own.
pack() {
  cp -L "$root"/vmlinuz "$root"/initrd.img "$made/"
  truncate -s 3G "$made/disk.raw"
  quietly mkfs.ext4 -q -d "$root" "$made/disk.raw"
  quietly qemu-img convert -f raw -O qcow2 "$made/disk.raw" "$made/box.img"
  printf '{"provider":"libvirt","format":"qcow2","virtual_size":3}\n' >"$made/metadata.json"
  sed "s|@DIRECTORY@|$final|" "$here/box.rb" >"$made/Vagrantfile"
  tar -C "$made" -cf "$made/overlay-test.box" metadata.json Vagrantfile box.img
  rm -rf "$root" "$made/disk.raw" "$made/box.img" "$made/metadata.json" "$made/Vagrantfile"
}

install_programs
mkdir -p "$cache"
# One at a time: a second run waits here for the first.
exec 9>"$cache/lock"
flock 9
# Another one for other scripts.
final=$cache/$(cat "$here/box.sh" "$here/box.rb" | sha256sum | cut -c1-16)
if [ ! -d "$final" ]; then
  printf 'vagrant tier: making the box, once\n' >&2
  rm -rf "${cache:?}"/*.new
  made=$final.new
  root=$made/root
  mkdir -p "$root"
  make_root
  pack
  mv "$made" "$final"
fi
printf '%s\n' "$final/overlay-test.box"
