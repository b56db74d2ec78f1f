#!/usr/bin/env bash
# The demo: installs what is missing, builds, serves examples/models and has a handwritten digit recognised over HTTP
# and over gRPC. The server then runs until Ctrl-C.
#
#   ./run.sh         serve until Ctrl-C
#   ./run.sh --once  stop the server again after the digit (for tests)
#
# SLUICE_HTTP_PORT, SLUICE_GRPC_PORT, SLUICE_METRICS_PORT and SLUICE_SERVE_PORT choose other ports than 8000, 8001, 8002
# and 8080. What the control plane keeps lies under artifacts/run/data.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

once=false
case "${1:-}" in
  '') ;;
  --once) once=true ;;
  *) die "unknown argument '$1'" "usage: ./run.sh [--once]" ;;
esac
http_port=${SLUICE_HTTP_PORT:-8000}
grpc_port=${SLUICE_GRPC_PORT:-8001}
metrics_port=${SLUICE_METRICS_PORT:-8002}
serve_port=${SLUICE_SERVE_PORT:-8080}
log=$root/artifacts/run/server.log
ready_seconds=60

server=
stop_server() {
  [[ -n $server ]] || return 0
  kill -TERM "$server" 2>/dev/null || true
  local code=0
  wait "$server" || code=$?
  server=
  return "$code"
}
trap 'stop_server || true' EXIT

server_failed() {
  tail -n 20 "$log" >&2
  die "$1" "The end of its log is above; all of it is in ${log#"$root"/}."
}

# milliseconds: since some fixed moment.
milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

"$root/scripts/build.sh"
mkdir -p "${log%/*}"
began=$(milliseconds)
"$root/sluice" serve --model-repository "$root/examples/models" --http-port "$http_port" \
  --grpc-port "$grpc_port" --metrics-port "$metrics_port" --serve-port "$serve_port" \
  --data-folder "${log%/*}/data" >"$log" 2>&1 &
server=$!
# Ctrl-C is a wish to stop, not a failure.
trap 'echo >&2; say "stopping the server"; stop_server || true; exit 0' INT TERM

say "waiting for the models"
until http_ok "$http_port" /v2/health/ready; do
  kill -0 "$server" 2>/dev/null || server_failed "the server stopped before it was ready."
  (($(milliseconds) - began < ready_seconds * 1000)) ||
    server_failed "the server is not ready after $ready_seconds seconds."
  sleep 0.05
done
say "ready after $(($(milliseconds) - began)) ms"

"$root/sluice" demo --http "localhost:$http_port" --grpc "localhost:$grpc_port" --digits "$root/examples/digits"

if $once; then
  stop_server || die "the server did not stop cleanly (exit code $?)." "Its log is in ${log#"$root"/}."
  say "the server stopped cleanly"
  exit 0
fi
cat <<END

Sluice serves examples/models:
  HTTP     http://localhost:$http_port/v2/models/digits
           curl -d @examples/digits/digit-3.json localhost:$http_port/v2/models/digits/infer
  gRPC     localhost:$grpc_port (inference.GRPCInferenceService)
  metrics  http://localhost:$metrics_port/metrics
  control  http://localhost:$serve_port/openapi.json
  page     http://localhost:$serve_port/
  log      ${log#"$root"/}

Ctrl-C stops the server.
END
wait "$server" || server_failed "the server stopped on its own (exit code $?)."
