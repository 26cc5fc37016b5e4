#!/usr/bin/env bash
# Stands in for BuildKit's program of this name, which Debian 12 does not have: the options of one build of a Dockerfile.
set -euo pipefail
[ "${1:-}" = build ] || { echo "buildctl-daemonless.sh: the stand-in knows only build, not $*" >&2 && exit 2; }
shift
context='' output=''
while [ $# -gt 0 ]; do
  case "$1 $2" in
    '--frontend dockerfile.v0' | '--local dockerfile='*) ;;
    '--local context='*) context=${2#context=} ;;
    '--output '*) output=$2 ;;
    *) echo "buildctl-daemonless.sh: the stand-in does not know $1 $2" >&2 && exit 2 ;;
  esac
  shift 2
done
exec "$(dirname "$0")/build-stand-in" --output "$output" "$context"
