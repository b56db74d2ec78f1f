#!/usr/bin/env bash
# Builds the Model Endpoints page into artifacts/web/dist, where the build of the server finds it; says and does nothing
# when no source has changed since. npm's packages are kept in artifacts/web/node_modules.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

page=$root/src/Sluice.Web/page
web=$root/artifacts/web
dist=$web/dist

# What the page is made of, as one checksum: a checkout changes the times of files that it does not change.
sources() {
  (cd "$page" && find . -type f -not -path './node_modules/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
}

wanted=$(sources)
built() { [[ -f $dist/index.html && -f $web/built && $(<"$web/built") == "$wanted" ]]; }
! built || exit 0

need_command node "Install Node.js 20 or newer with npm; the server can be built without the page."
need_command npm "Install npm; the server can be built without the page."
mkdir -p "$web"
exec 8>"$web/lock"
flock 8
! built || exit 0

if ! cmp -s "$page/package-lock.json" "$web/installed"; then
  say "installing what the page is made of"
  rm -f "$web/installed"
  cp "$page/package.json" "$page/package-lock.json" "$page/.npmrc" "$web"
  npm ci --prefix "$web" --silent --no-audit --no-fund --ignore-scripts --fetch-retries=1 --fetch-timeout=60000 >&2 ||
    die "npm could not install what the page is made of." "Check the network and npm's registry setting."
  cp "$page/package-lock.json" "$web/installed"
fi
ln -sfn ../../../artifacts/web/node_modules "$page/node_modules"

say "building the page"
rm -rf "$web/next"
(cd "$page" && node node_modules/typescript/bin/tsc && node build.mjs "$web/next") >&2 ||
  die "the page could not be built; its errors are above."
rm -rf "$dist"
mv "$web/next" "$dist"
printf '%s\n' "$wanted" >"$web/built"
