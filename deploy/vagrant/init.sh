#!/bin/sh
# On the first machine of the Vagrantfile, as root: init.sh ADDRESS. May be repeated.
set -eu

[ ! -e /etc/overlay/agent.yaml ] || exit 0
# What it prints has a token in it; the Vagrantfile asks for one per machine.
overlayctl cluster init --advertise "$1" >/dev/null
