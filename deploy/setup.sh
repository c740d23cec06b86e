#!/bin/sh
# Installs and builds what `npm run demo`, `npm test` and `npm run bench`, `fuzz`
# and `chaos` need, on Debian or Ubuntu. Does only what is missing, and says
# nothing when that is nothing. Touches neither kernel settings nor services.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
# A root shell made by `su` lacks the directories of nft and ip.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

fail() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

say() {
  printf 'setup: %s\n' "$1"
}

# Runs a command quietly; its words are shown only if it fails.
quietly() {
  log=$(mktemp)
  if "$@" >"$log" 2>&1 9>&-; then
    rm -f "$log"
    return 0
  fi
  cat "$log" >&2
  rm -f "$log"
  return 1
}

check_machine() {
  [ "$(uname -s)" = Linux ] || fail "this needs Linux: it works with network namespaces (this is $(uname -s))"
  [ "$(id -u)" = 0 ] || fail "this needs root, for network namespaces: run it again with sudo"
  command -v node >/dev/null || fail "node is not there: install Node 20.19 or later (https://nodejs.org)"
  command -v npm >/dev/null || fail "npm is not there: it comes with Node (https://nodejs.org), or as Debian's package npm"
  version=$(node -v)
  major=${version#v}
  minor=${major#*.}
  major=${major%%.*}
  minor=${minor%%.*}
  if [ "$major" -lt 20 ] || { [ "$major" = 20 ] && [ "$minor" -lt 19 ]; }; then
    fail "node is $version: install 20.19 or later (https://nodejs.org)"
  fi
}

# The Debian packages of those programs that are not there.
missing_packages() {
  while read -r program package; do
    command -v "$program" >/dev/null || echo "$package"
  done <<PROGRAMS | sort -u
etcd etcd-server
etcdctl etcd-client
nft nftables
ip iproute2
bridge iproute2
iptables iptables
tcpdump tcpdump
ping iputils-ping
iperf3 iperf3
nsenter util-linux
openssl openssl
sysctl procps
PROGRAMS
}

# A package's service is started by its installation, unless /usr/sbin/policy-rc.d
# says no (see invoke-rc.d(8)). We want the program etcd, not an etcd on port 2379.
policy=/usr/sbin/policy-rc.d
saved_policy=$policy.before-overlay-setup
mark='Made by the overlay setup while it installs packages.'

forbid_services() {
  # One of ours is there if an earlier run was killed.
  if [ -e "$policy" ] && ! grep -q "$mark" "$policy"; then mv "$policy" "$saved_policy"; fi
  printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
}

allow_services() {
  if [ -e "$saved_policy" ]; then mv "$saved_policy" "$policy"; else rm -f "$policy"; fi
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 install "$@"
}

install_packages() {
  packages=$(missing_packages | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  command -v apt-get >/dev/null ||
    fail "install the programs of these Debian packages (there is no apt-get here): $packages"
  say "installing $packages"
  trap allow_services EXIT
  trap 'exit 1' HUP INT TERM
  forbid_services
  # The lists of packages may be missing or old: then the first try fails.
  # shellcheck disable=SC2086
  apt_install $packages >/dev/null 2>&1 9>&- || {
    quietly apt-get -qq update || fail "apt-get update failed (see above)"
    quietly apt_install $packages || fail "apt-get could not install $packages(see above)"
  }
  allow_services
  trap - EXIT HUP INT TERM
  case " $packages" in
  *" etcd-server "*)
    # Nor shall it start with the next boot.
    if command -v systemctl >/dev/null; then systemctl disable etcd.service >/dev/null 2>&1 || true; fi
    ;;
  esac
  left=$(missing_packages | tr '\n' ' ')
  [ -z "$left" ] || fail "still missing after the installation, the programs of: $left"
}

install_modules() {
  if [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    return 0
  fi
  say "installing node modules"
  quietly npm ci --no-fund --no-audit --loglevel=error || fail "npm ci failed (see above)"
}

# What the build writes last is older than none of what it is made from.
is_built() {
  [ -e dist/overlayctl.cjs ] || return 1
  newer=$(find proto store controller agent cli lib deploy test package.json tsconfig.json tsconfig.build.json \
    -type f ! -name '*.spec.ts' -newer dist/overlayctl.cjs)
  [ -z "$newer" ]
}

build() {
  if is_built; then return 0; fi
  say "building"
  quietly npm run --silent build || fail "the build failed (see above)"
}

check_machine
cd "$root"
# One at a time: a second run waits here for the first. (flock is in every Debian.)
exec 9<package.json
flock 9
install_packages
install_modules
build
