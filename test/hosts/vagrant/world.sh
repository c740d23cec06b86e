#!/bin/sh
# world.sh DIRECTORY COMMAND…: runs a command where libvirt is at work for nobody
# else. Network, mounts and processes are its own: with the command ends all that
# it and libvirt have started, and what libvirt keeps is in the directory.
set -eu

if [ "${1:-}" != inside ]; then
  exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private sh "$0" inside "$@"
fi
shift
directory=$1
shift
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

ip link set lo up
# As of this network, and not of the machine's.
mount -t sysfs sysfs /sys
for each in etc lib log cache; do mkdir -p "$directory/$each"; done
mkdir -p /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
mount -t tmpfs tmpfs /run
mount --bind "$directory/etc" /etc/libvirt
mount --bind "$directory/lib" /var/lib/libvirt
mount --bind "$directory/log" /var/log/libvirt
mount --bind "$directory/cache" /var/cache/libvirt
mkdir -p /run/lock /var/lib/libvirt/images
# libvirt wants to know a user of this name, though it is told another; the package that would make it brings services.
if ! getent passwd libvirt-qemu >/dev/null; then
  { cat /etc/passwd; echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'; } >"$directory/passwd"
  { cat /etc/group; echo 'libvirt-qemu:x:64055:'; } >"$directory/group"
  mount --bind "$directory/passwd" /etc/passwd
  mount --bind "$directory/group" /etc/group
fi

# Machines are root's, without what a systemd or a udev would have to take part in.
cat >/etc/libvirt/qemu.conf <<CONF
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
CONF
printf 'auth_unix_rw = "none"\nunix_sock_group = "root"\n' >/etc/libvirt/libvirtd.conf

virtlogd --daemon
libvirtd --daemon
tries=0
until virsh --connect qemu:///system version >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || {
    echo 'vagrant tier: libvirtd does not answer' >&2
    cat /var/log/libvirt/*.log >&2 || true
    exit 1
  }
  sleep 0.2
done
# The first process here is us: when we end, all do.
"$@" &
wait "$!"
