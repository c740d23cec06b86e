#!/bin/sh
# Becomes one host: its root is an overlay over the given layers, its cgroups are
# its own. Mounts are made in a mount namespace that ends with it.
# Arguments: systemd-nspawn, its name for the machine, hostname, home, layers
# (as lowerdir takes them), cgroup, then further options for systemd-nspawn.
set -eu
nspawn=$1 machine=$2 hostname=$3 home=$4 layers=$5 cgroup=$6
shift 6

# Without a cgroup of its own it would share system.slice with the other hosts.
for tree in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  [ -e "$tree/cgroup.procs" ] || continue
  mkdir -p "$tree/$cgroup"
  echo $$ >"$tree/$cgroup/cgroup.procs"
done
# What nspawn keeps about its machines stays in here.
mkdir -p /run/systemd "$home/files" "$home/work" "$home/root"
mount -t tmpfs tmpfs /run/systemd
mount -t overlay overlay -o "lowerdir=$layers,upperdir=$home/files,workdir=$home/work" "$home/root"
exec "$nspawn" --register=no --keep-unit --machine="$machine" --hostname="$hostname" --directory="$home/root" \
  --network-bridge=switch --bind=/dev/net/tun --console=pipe "$@" --boot
