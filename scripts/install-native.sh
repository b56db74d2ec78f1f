#!/usr/bin/env bash
# Installs what building and running the server needs. Quick, and without network, when all is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_dotnet
if [[ -z ${SLUICE_ONNXRUNTIME_LIBRARY:-} ]]; then
  install_packages libstdc++6
  "$root/scripts/fetch-onnxruntime.sh"
fi
