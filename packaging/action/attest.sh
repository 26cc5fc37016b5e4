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

# verdict FOLDER: the worst one of all platforms, as the reports in FOLDER have it.
verdict() {
  local word
  for word in different explainable accepted after-restamping identical; do
    if grep -qsE "^[^{]*\{[^{]*\"verdict\": ?\"$word\"" "$1"; then
      echo "$word"
      return
    fi
  done
}

main() {
  local folder documents status=0 found
  local -a words=() options
  if [ -z "${INPUT_ATTEST:-}" ]; then
    output verdict ''
    output attestations ''
    return
  fi
  need PROGRAM CANDIDATE GITHUB_OUTPUT RUNNER_TEMP GITHUB_SERVER_URL GITHUB_REPOSITORY GITHUB_RUN_ID
  [ -n "${INPUT_VERIFIER_ID:-}" ] || fail "verifier-id: expected a URI that stands for who rebuilds, for example https://rebuild.example.org/restamp/v1"
  split_words "${INPUT_ATTEST_ARGS:-}" || fail "attest-args: a quote is not closed, or a backslash is the last character: ${INPUT_ATTEST_ARGS:-}"
  documents=$(mktemp -d "$RUNNER_TEMP/restamp-attest.XXXXXX")
  folder=$documents/attestations
  options=(--verifier-id "$INPUT_VERIFIER_ID" --out "$folder" --json
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
  "$PROGRAM" attest "${words[@]}" "${options[@]}" -- "$INPUT_ATTEST" "$CANDIDATE" >"$documents/report.json" || status=$?
  [ "$status" -le 1 ] || exit "$status"
  found=$(verdict "$documents/report.json")
  output verdict "$found"
  output attestations "$folder"
  echo "verdict: $found"
  if [ "$status" = 1 ] && [ "${INPUT_ATTEST_REQUIRE:-}" != nothing ]; then
    fail "$INPUT_ATTEST was not reproduced: the verdict is $found"
  fi
}

main
