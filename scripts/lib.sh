# What the scripts share: paths, messages and "install only what is missing". Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# --help prints the comment at the top of the script.
if [[ " $* " == *' --help '* ]]; then
  sed -n '2,${/^#/!q; s/^# \{0,1\}//p}' "$0"
  exit 0
fi

# Debian's own interpreter: the python3-* packages are invisible to any other one on the PATH.
# shellcheck disable=SC2034
debian_python=/usr/bin/python3

# Messages go to stderr so that a caller's stdout stays its own.
say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# need_command NAME HINT: stops with the hint when a program that we do not install is missing.
need_command() {
  command -v "$1" >/dev/null 2>&1 || die "'$1' is not on the PATH." "$2"
}

# need_dotnet: the SDK named by global.json, which no Debian package provides.
need_dotnet() {
  need_command dotnet "Install the .NET SDK 10 and put 'dotnet' on the PATH, then run this again."
}

# install_packages NAME...: Debian packages, asked for only when at least one is missing.
install_packages() {
  [[ -z ${SLUICE_SKIP_PACKAGES:-} ]] || return 0
  local missing=() name installed
  command -v dpkg-query >/dev/null 2>&1 ||
    die "this is not a Debian machine; cannot check or install: $*" \
      "Install the equivalents of these packages and set SLUICE_SKIP_PACKAGES=1."
  installed=$'\n'$(dpkg-query -W -f='${Package} ${Status}\n' "$@" 2>/dev/null) || true
  for name in "$@"; do
    [[ $installed == *$'\n'"$name install ok installed"* ]] || missing+=("$name")
  done
  ((${#missing[@]} > 0)) || return 0

  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null 2>&1 ||
      die "these Debian packages are missing and neither root nor sudo is at hand: ${missing[*]}" \
        "As root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  # An index that is out of date names files that are gone, so it is refreshed when the first try fails.
  apt_get install "${missing[@]}" || {
    say "refreshing the package index"
    apt_get update || die "apt-get update failed; is the network up?" "Details: $apt_log"
    apt_get install "${missing[@]}" || {
      tail -n 20 "$apt_log" >&2
      die "apt-get could not install: ${missing[*]}" "Details: $apt_log"
    }
  }
}

apt_log=$root/artifacts/apt.log

# Reads as_root of install_packages.
apt_get() {
  mkdir -p "${apt_log%/*}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >"$apt_log" 2>&1 </dev/null
}

# free_ports COUNT: prints ports that nobody listens on, below those that the system gives to connections.
free_ports() {
  "$debian_python" -c 'import random, socket, sys
sockets = []
for port in random.sample(range(20000, 32000), 1000):
    try:
        if len(sockets) < int(sys.argv[1]):
            sockets.append(socket.create_server(("127.0.0.1", port)))
    except OSError:
        pass
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

# http_ok PORT PATH: true when this machine answers GET with status 200. Needs no program but bash.
http_ok() {
  local status=
  {
    exec 8<>"/dev/tcp/127.0.0.1/$1" &&
      printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&8 &&
      IFS= read -r -t 5 status <&8
  } 2>/dev/null || true
  exec 8>&- || true
  [[ $status == HTTP/1.?' 200'* ]]
}
