#!/usr/bin/env bash
# Puts ONNX Runtime's CPU library where the build and the server look for it:
# artifacts/native/onnxruntime/libonnxruntime.so.1
#
# It comes out of the npm package onnxruntime-node, whose checksum is pinned below. The package holds the libraries
# of all platforms (113 MB); only this machine's (46 MB) is kept, in the user's cache and from there in artifacts/.
# Files appear under their final name by rename only, so an interrupted run leaves no half file.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=1.30.0
# What `npm view onnxruntime-node@1.30.0 dist.integrity` prints.
integrity=sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64)
    arch=x64
    sha256=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
    ;;
  Linux-aarch64)
    arch=arm64
    sha256=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76
    ;;
  *)
    die "no ONNX Runtime library is packaged for $(uname -s) on $(uname -m)." \
      "Build or download one and point SLUICE_ONNXRUNTIME_LIBRARY at it."
    ;;
esac

folder=$root/artifacts/native/onnxruntime
library=$folder/libonnxruntime.so.1
stamp=$folder/VERSION
wanted="onnxruntime $version linux-$arch sha256:$sha256"

[[ -s $library && -f $stamp && $(<"$stamp") == "$wanted" ]] && exit 0

cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-${HOME:-$root/artifacts}/.cache}/sluice}
mkdir -p "$cache" 2>/dev/null && [[ -w $cache ]] || cache=$root/artifacts/cache
mkdir -p "$cache" "$folder"
cached=$cache/libonnxruntime-$version-$arch.so

intact() { [[ -f $1 && $(sha256sum <"$1") == "$sha256  -" ]]; }

if ! intact "$cached"; then
  need_command npm "Install Node.js with npm; the library is taken from an npm package."
  need_command node "Install Node.js; it checks the package's checksum."
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  say "fetching ONNX Runtime $version for linux-$arch (113 MB, once)"
  (cd "$work" && npm pack "onnxruntime-node@$version" --ignore-scripts --silent >/dev/null) ||
    die "npm could not fetch onnxruntime-node@$version." \
      "Check the network and npm's registry setting, or set SLUICE_ONNXRUNTIME_LIBRARY to a library of your own."
  package=$work/onnxruntime-node-$version.tgz
  actual=$(node -e 'const hash = require("crypto").createHash("sha512");
    require("fs").createReadStream(process.argv[1]).on("data", d => hash.update(d))
      .on("end", () => console.log("sha512-" + hash.digest("base64")));' "$package")
  [[ $actual == "$integrity" ]] ||
    die "the fetched package is not the one that was pinned." "expected $integrity" "got      $actual"
  tar -xzf "$package" -C "$work" "package/bin/napi-v6/linux/$arch/libonnxruntime.so.1"
  mv "$work/package/bin/napi-v6/linux/$arch/libonnxruntime.so.1" "$cached"
  intact "$cached" || die "the library inside the package does not have the pinned checksum."
fi

copy=$(mktemp "$folder/copy.XXXXXX")
trap 'rm -rf "$copy" "${work:-$copy}"' EXIT
cp "$cached" "$copy"
chmod 644 "$copy"
mv "$copy" "$library"
printf '%s\n' "$wanted" >"$copy"
mv "$copy" "$stamp"
say "ONNX Runtime $version is in artifacts/native/onnxruntime"
