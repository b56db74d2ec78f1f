#!/usr/bin/env bash
# Builds the server when there is no build yet or a source is newer than it; says nothing and calls no dotnet otherwise.
# All output goes to stderr.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=$root/artifacts/bin/Sluice.Server/release/sluice.dll
stamp=$root/artifacts/built

# True when the program exists and nothing it is made of has changed since the stamp. Folders count too: they change
# when a file in them is added or removed.
built() {
  [[ -f $program && -f $stamp ]] || return 1
  local newer page=()
  # A page that was built since belongs into the program, too.
  [[ ! -d $root/artifacts/web/dist ]] || page=("$root/artifacts/web/dist")
  newer=$(find "$root/src" "$root/protos" "$root"/Directory.*.props "$root/global.json" ${page[@]+"${page[@]}"} \
    -newer "$stamp" -print -quit)
  [[ -z $newer ]]
}

build() {
  "$root/scripts/install-native.sh"
  "$root/scripts/build-web.sh" || say "the server is built without its page"
  say "building Sluice (only when a source has changed; the first time takes a minute)"
  # Taken before the build: what is saved while it runs counts as newer.
  begun=$(mktemp "$root/artifacts/built.XXXXXX")
  trap 'rm -f "$begun"' EXIT
  # The compiler's server outlives the build, so it must not inherit the lock.
  dotnet build "$root/src/Sluice.Server/Sluice.Server.csproj" -c Release -nodeReuse:false \
    --nologo -v quiet -clp:ErrorsOnly >&2 9>&- || die "the build failed; its errors are above."
  mv "$begun" "$stamp"
  trap - EXIT
}

if ! built; then
  mkdir -p "$root/artifacts"
  # Two first starts at once must not build into each other.
  exec 9>"$root/artifacts/build.lock"
  flock 9
  built || build
fi
if [[ -z ${SLUICE_ONNXRUNTIME_LIBRARY:-} && ! -f $root/artifacts/native/onnxruntime/libonnxruntime.so.1 ]]; then
  "$root/scripts/install-native.sh"
fi
