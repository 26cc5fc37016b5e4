#!/usr/bin/env bash
# Step of action.yml: `restamp attest`, which compares the image that was made with a published one and writes statements. Without
# INPUT_ATTEST it does nothing.
#
# INPUT_ATTEST_KEY is the text of a private key. It is in no argument and in no variable that restamp inherits, and on disk only while
# restamp runs, for this user alone.
#
# Needs: PROGRAM (restamp), CANDIDATE (the image that was made), INPUT_ATTEST (the published image), INPUT_VERIFIER_ID, GITHUB_OUTPUT,
# RUNNER_TEMP, GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID; INPUT_ATTEST_REQUIRE, INPUT_ATTEST_ARGS and
# INPUT_ATTEST_KEY may be empty.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The key is a variable of this script alone from here on.
key=${INPUT_ATTEST_KEY:-}
unset INPUT_ATTEST_KEY

# verdict FOLDER: the worst one of all platforms. A statement of success says it itself, and for the others their report does.
verdict() {
  local platform found='' word
  for platform in "$1"/*/; do
    if [ -e "$platform/equivalence.json" ]; then
      found+=" $(sed -n 's/.*"equal":"\([a-z-]*\)".*/\1/p' "$platform/equivalence.json") "
    else
      found+=" $(sed -n '/^  "verdict": "/{s/^  "verdict": "\([a-z-]*\)".*/\1/p;q}' "$platform/diff.json") "
    fi
  done
  # An archive of docker save has no manifest that could be proven equal.
  found=${found// same-after-restamping / explainable }
  for word in different explainable accepted after-restamping identical; do
    case $found in
      *" $word "*)
        echo "$word"
        return
        ;;
    esac
  done
  fail "no verdict in the statements: found \"$found\""
}

main() {
  local folder status=0 found
  local -a words=() options
  if [ -z "${INPUT_ATTEST:-}" ]; then
    output verdict ''
    output attestations ''
    return
  fi
  need PROGRAM CANDIDATE GITHUB_OUTPUT RUNNER_TEMP GITHUB_SERVER_URL GITHUB_REPOSITORY GITHUB_RUN_ID
  [ -n "${INPUT_VERIFIER_ID:-}" ] || fail "verifier-id: expected a URI that stands for who rebuilds, for example https://rebuild.example.org/restamp/v1"
  split_words "${INPUT_ATTEST_ARGS:-}" || fail "attest-args: a quote is not closed, or a backslash is the last character: ${INPUT_ATTEST_ARGS:-}"
  # An empty one is what restamp takes.
  folder=$(mktemp -d "$RUNNER_TEMP/restamp-attest.XXXXXX")
  options=(--verifier-id "$INPUT_VERIFIER_ID" --out "$folder"
    --run-url "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID")
  case ${INPUT_ATTEST_REQUIRE:-reproduced} in
    reproduced | nothing) ;;
    identical) options+=(--require identical) ;;
    *) fail "attest-require: expected reproduced, identical or nothing, found \"$INPUT_ATTEST_REQUIRE\"" ;;
  esac
  if [ -n "$key" ]; then
    # mktemp makes files for their owner alone.
    private=$(mktemp "$RUNNER_TEMP/restamp-key.XXXXXX")
    trap 'rm -f "$private"' EXIT
    printf '%s\n' "$key" >"$private"
    options+=(--key "$private")
  fi
  "$PROGRAM" attest "${words[@]}" "${options[@]}" -- "$INPUT_ATTEST" "$CANDIDATE" || status=$?
  [ "$status" -le 1 ] || exit "$status"
  found=$(verdict "$folder")
  output verdict "$found"
  output attestations "$folder"
  if [ "$status" = 1 ] && [ "${INPUT_ATTEST_REQUIRE:-}" != nothing ]; then
    fail "$INPUT_ATTEST was not reproduced: the verdict is $found"
  fi
}

main
