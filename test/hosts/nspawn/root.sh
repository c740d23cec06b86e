#!/bin/sh
# Makes what the hosts of this tier are booted from, once, and prints two lines:
# the root directory (Debian with systemd, and nothing of ours) and the program
# systemd-nspawn. Nothing is installed into this machine but debootstrap; the
# machine's own systemd, if it has one, is left alone.
set -eu

suite=bookworm
mirror=${OVERLAY_HOSTS_MIRROR:-http://deb.debian.org/debian}
cache=${OVERLAY_HOSTS_CACHE:-/var/cache/overlay-hosts}
# What our package depends on is here, since the hosts have no way to a mirror;
# the rest is what a host must have to be one.
packages=systemd,systemd-sysv,dbus,adduser,iproute2,nftables,iputils-ping,procps,openssl,ca-certificates,kmod

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 || {
    printf 'nspawn tier: `%s` failed:\n' "$*" >&2
    tail -n 20 "$log" >&2
    exit 1
  }
}

download() {
  # The lists of packages may be missing or old: then the first try fails.
  apt-get -qq download "$@" >"$log" 2>&1 || {
    quietly apt-get -qq update
    quietly apt-get -qq download "$@"
  }
}

# systemd-nspawn with the library that it shares with systemd, unpacked and not
# installed: as a package it would put systemd into this machine.
make_tools() {
  [ ! -x "$tools/systemd-nspawn" ] || return 0
  rm -rf "$tools.new"
  mkdir -p "$tools.new"
  (
    cd "$tools.new"
    download systemd-container libsystemd-shared
    for package in *.deb; do dpkg -x "$package" .; done
    rm -f ./*.deb
    library=$(dirname "$(find "$PWD" -name 'libsystemd-shared-*.so')")
    cat >systemd-nspawn <<SCRIPT
#!/bin/sh
export LD_LIBRARY_PATH=$tools${library#"$tools.new"}
exec $tools/usr/bin/systemd-nspawn "\$@"
SCRIPT
    chmod 755 systemd-nspawn
  )
  mv "$tools.new" "$tools"
}

make_root() {
  [ ! -d "$root" ] || return 0
  command -v debootstrap >/dev/null || {
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get -qq -y --no-install-recommends install debootstrap >"$log" 2>&1 || {
      quietly apt-get -qq update
      quietly apt-get -qq -y --no-install-recommends install debootstrap
    }
  }
  printf 'nspawn tier: making %s, once\n' "$root" >&2
  rm -rf "$root.new"
  quietly debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" "$mirror"
  bare "$root.new"
  mv "$root.new" "$root"
}

# No host's identity in it, and nothing that works on its own in the background.
bare() {
  rm -f "$1/etc/hostname" "$1"/var/cache/apt/archives/*.deb "$1/var/lib/dbus/machine-id"
  : >"$1/etc/machine-id"
  mkdir -p "$1/var/log/journal"
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    motd-news.timer getty@.service console-getty.service; do
    ln -sf /dev/null "$1/etc/systemd/system/$unit"
  done
  quietly chroot "$1" systemctl enable systemd-networkd.service
}

mkdir -p "$cache"
root=$cache/$suite-$(printf '%s' "$packages $(cat "$0")" | sha256sum | cut -c1-12)
tools=$cache/tools-$suite
exec 9>"$cache/lock"
flock 9
make_root
if command -v systemd-nspawn >/dev/null; then
  nspawn=$(command -v systemd-nspawn)
else
  make_tools
  nspawn=$tools/systemd-nspawn
fi
printf '%s\n%s\n' "$root" "$nspawn"
