#!/usr/bin/env bash
# Installs what the tests and measurements need beyond scripts/install-native.sh:
#   packages  real gRPC clients (Python, C++), h2load, the C++ toolchain of perf/reference, PostgreSQL, libraries of Python models,
#             Prometheus, Kafka's clients, the browser of the page's tests
#   npm       real gRPC clients of Node.js, under artifacts/npm; object stores that run here, under artifacts/storage; what
#             steers the browser, under artifacts/web-tests
# With --models also what the scripts that make models import, for some tests too. Quick, and without network, when all is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case "${1:-}" in
  '' | --models) ;;
  *) die "unknown argument '$1'" "usage: scripts/install-test.sh [--models]" ;;
esac

packages=(
  g++ cmake make pkg-config util-linux
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  python3 python3-grpcio python3-numpy python3-protobuf
  python3-sklearn python3-joblib python3-xgboost python3-pil
  nghttp2-client postgresql
  prometheus kafkacat librdkafka-dev
  chromium
)
[[ ${1:-} != --models ]] || packages+=(python3-onnx)
install_packages "${packages[@]}"

npm_packages=(@grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1)
npm_folder=$root/artifacts/npm
npm_stamp=$npm_folder/installed
if [[ ! -f $npm_stamp || $(<"$npm_stamp") != "${npm_packages[*]}" ]]; then
  need_command npm "Install Node.js with npm; a test calls the server with its gRPC client."
  say "installing npm packages: ${npm_packages[*]}"
  rm -rf "$npm_folder"
  mkdir -p "$npm_folder"
  npm install --prefix "$npm_folder" --silent --no-audit --no-fund --ignore-scripts "${npm_packages[@]}" >&2 ||
    die "npm could not install: ${npm_packages[*]}" "Check the network and npm's registry setting."
  printf '%s\n' "${npm_packages[*]}" >"$npm_stamp"
fi

# lock_install FOLDER PLACE HINT: installs what the lock file of a folder of tests/ names into a folder of artifacts/.
lock_install() {
  local lock=$root/tests/$1/package-lock.json place=$root/artifacts/$2
  ! cmp -s "$lock" "$place/installed" || return 0
  need_command npm "Install Node.js with npm; $3"
  say "installing what tests/$1 needs"
  rm -rf "$place/node_modules" "$place/installed"
  mkdir -p "$place"
  cp "$root/tests/$1/package.json" "$lock" "$place"
  npm ci --prefix "$place" --silent --no-audit --no-fund --ignore-scripts >&2 ||
    die "npm could not install tests/$1." "Check the network and npm's registry setting."
  cp "$lock" "$place/installed"
}

# Stand-ins for S3 and Azure's blob storage.
lock_install storage storage "tests store files in object stores that it brings."
lock_install web web-tests "tests look at the page in a browser."
