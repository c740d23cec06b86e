#!/bin/sh
# npm run lint:vagrant: whether Vagrant takes the Vagrantfile, with libvirt's
# options too. Where there is no vagrant it is left out, but in CI it is installed.
set -eu
cd "$(dirname "$0")"

if ! command -v vagrant >/dev/null; then
  if [ -z "${CI:-}" ]; then
    echo 'vagrant is not there: the Vagrantfile is not validated'
    exit 0
  fi
  export DEBIAN_FRONTEND=noninteractive
  install() {
    apt-get -qq -y -o DPkg::Lock::Timeout=120 --no-install-recommends install vagrant vagrant-libvirt >/dev/null
  }
  install 2>/dev/null || {
    apt-get -qq update
    install
  }
fi

# What it keeps, and the machines that somebody has made, are not touched.
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
# VirtualBox need not be there: Vagrant asks for its version only.
printf '#!/bin/sh\necho 7.0.20r163906\n' >"$kept/VBoxManage"
chmod 755 "$kept/VBoxManage"
for provider in libvirt virtualbox; do
  PATH=$kept:$PATH VAGRANT_HOME=$kept VAGRANT_DOTFILE_PATH=$kept VAGRANT_CHECKPOINT_DISABLE=1 \
    VAGRANT_DEFAULT_PROVIDER=$provider vagrant validate >"$kept/said" || {
    cat "$kept/said" >&2
    exit 1
  }
done
