#!/bin/sh
# A machine of the vm tier, on its root: what udev and an init would have set up,
# and then a server of commands on a virtio serial port. What differs from machine to
# machine is on the kernel's command line.
#
# A request is a line `ID SCRIPT`, its answer a line `ID STATUS STDOUT STDERR`,
# the texts in base64 without line breaks. Requests are carried out side by side.
PATH=/var/lib/overlay/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH HOME=/root LC_ALL=C

parameter() {
  sed -n "s/.*\\bvm\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline
}

checkout=$(parameter checkout)
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/netns /run/checkout /dev/pts /dev/shm
mount --bind "$checkout" /run/checkout
# What other programs of the host keep in /tmp is no concern of ours; the checkout may be there too.
mount -t tmpfs tmpfs /tmp
mkdir -p "$checkout" /lib/modules
mount --bind /run/checkout "$checkout"
mount --bind "$(parameter modules)" /lib/modules
mount -t devpts devpts /dev/pts
# What a host with Docker or an older firewall has loaded.
modprobe -a br_netfilter ip_tables iptable_filter ip6_tables ip6table_filter
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
ln -sfn /proc/self/fd /dev/fd
for each in 0:stdin 1:stdout 2:stderr; do ln -sfn "/proc/self/fd/${each%:*}" "/dev/${each#*:}"; done
mkdir -p /var/lib/overlay
mount -t ext4 /dev/vda /var/lib/overlay

name=$(parameter name)
hostname "$name"
printf '127.0.0.1 localhost %s\n' "$name" >/etc/hosts
ip link set lo up
ip address add "$(parameter address)/24" dev eth0
ip link set eth0 up

port=/dev/$(basename "$(dirname "$(grep -lx commands /sys/class/virtio-ports/*/name)")")
exec 3<>"$port"

carry_out() {
  files=$(mktemp -d /tmp/command.XXXXXX)
  printf %s "$2" | base64 -d >"$files/script"
  sh "$files/script" >"$files/out" 2>"$files/err" </dev/null 3>&-
  status=$?
  flock /run/answers sh -c 'printf "%s %s %s %s\n" "$1" "$2" "$(base64 -w0 "$3/out")" "$(base64 -w0 "$3/err")" >&3' \
    sh "$1" "$status" "$files"
  rm -rf "$files"
}

echo ready >&3
while read -r id script <&3; do
  carry_out "$id" "$script" &
done
# Whoever gave the commands is gone.
echo o >/proc/sysrq-trigger
sleep 60
