#!/usr/bin/env bash
# Step of action.yml: where the cache of `restamp rewrite --cache` is and under which keys it is kept. INPUT_CACHE is true,
# false or a folder. A key is never written twice, so that every run has one of its own and starts from the newest of the
# same job and image, or else from the newest of the same version of restamp.
#
# Needs: INPUT_CACHE, INPUT_IMAGE, INPUT_OUTPUT, PROGRAM (restamp), GITHUB_JOB, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT,
# GITHUB_WORKFLOW, GITHUB_WORKSPACE, GITHUB_OUTPUT, RUNNER_ARCH, RUNNER_TEMP.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need PROGRAM GITHUB_JOB GITHUB_RUN_ID GITHUB_RUN_ATTEMPT GITHUB_WORKSPACE GITHUB_OUTPUT RUNNER_ARCH RUNNER_TEMP

case ${INPUT_CACHE:-false} in
  false)
    output folder ''
    exit 0
    ;;
  true) folder=$RUNNER_TEMP/restamp-cache ;;
  /*) folder=$INPUT_CACHE ;;
  *) folder=$GITHUB_WORKSPACE/$INPUT_CACHE ;;
esac
# actions/cache takes a list of patterns, a line each.
case $folder in
  *[$'*?[]!~\n\r']*) fail "cache: expected true, false or a folder without * ? [ ] ! ~ and line ends in its name, found \"$INPUT_CACHE\"" ;;
esac

version=$("$PROGRAM" --version)
version=${version##* }
what=$(printf '%s\0' "${GITHUB_WORKFLOW:-}" "$GITHUB_JOB" "${INPUT_IMAGE:-}" "${INPUT_OUTPUT:-}" | sha256sum | cut -c 1-16)
start=restamp-$version-$RUNNER_ARCH
output folder "$folder"
output key "$start-$what-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"
output restore-keys "$start-$what-
$start-"
