#!/usr/bin/env bash
# Step of action.yml: which epoch. INPUT_EPOCH, or SOURCE_DATE_EPOCH of the environment, or the time of the commit that is
# checked out in GITHUB_WORKSPACE. A clone of depth 1 has that commit with its time, so that it is enough.
#
# Needs: INPUT_EPOCH (may be empty), GITHUB_WORKSPACE, GITHUB_OUTPUT; git where the commit is asked.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need GITHUB_WORKSPACE GITHUB_OUTPUT

# The committer's time of HEAD, in seconds. In a container the folder belongs to another user than the job's, which git
# refuses by default.
commit_time() {
  local hint='check it out with actions/checkout in a step before this one, or set the input epoch' time
  command -v git >/dev/null || fail "epoch: git is needed to ask for the time of the commit: install it, or set the input epoch"
  time=$(git -C "$GITHUB_WORKSPACE" -c safe.directory="$GITHUB_WORKSPACE" log -1 --no-show-signature --pretty=%ct 2>&1) ||
    fail "epoch: $GITHUB_WORKSPACE has no commit to take the time of (${time##*$'\n'}): $hint"
  [[ $time =~ ^[0-9]+$ ]] || fail "epoch: git said \"$time\" for the time of the commit: $hint"
  echo "$time"
}

if [ -n "${INPUT_EPOCH:-}" ]; then
  epoch=$INPUT_EPOCH
elif [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
  epoch=$SOURCE_DATE_EPOCH
else
  epoch=$(commit_time)
fi
output epoch "$epoch"
