#!/bin/sh
# On a machine of the Vagrantfile, as root: install.sh NAME. Gives it its name
# and an identity of its own, and installs the package. May be repeated.
set -eu

name=$1
hostname=$(hostname)
if [ "$hostname" != "$name" ]; then
  hostnamectl set-hostname "$name"
  printf '127.0.1.1 %s\n' "$name" >>/etc/hosts
fi

# Machines made of one box may have one machine id, which more than we go by.
# Not once the host is part of a cluster: that is known under its present one.
if [ ! -e /etc/overlay/agent.yaml ] && [ ! -e /etc/machine-id.own ]; then
  rm -f /etc/machine-id /var/lib/dbus/machine-id
  systemd-machine-id-setup >/dev/null 2>&1
  # The journal is kept, and looked for, under the id.
  systemctl restart systemd-journald
  : >/etc/machine-id.own
fi

export DEBIAN_FRONTEND=noninteractive
apt() {
  apt-get -qq -y -o DPkg::Lock::Timeout=120 --no-install-recommends "$@" >/dev/null
}
# And tcpdump, for those who want to see the packets.
install() {
  apt install --reinstall /tmp/overlay.deb && { command -v tcpdump >/dev/null || apt install tcpdump; }
}
# The lists of packages may be missing or old: then the first try fails.
install 2>/dev/null || {
  apt-get -qq update
  install
}
rm -f /tmp/overlay.deb
