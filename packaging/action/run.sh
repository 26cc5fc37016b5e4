#!/usr/bin/env bash
# Step of action.yml: `restamp rewrite`, and what it says as outputs of the step. They are written only when all went well.
#
# Needs: PROGRAM (restamp), EPOCH, INPUT_IMAGE, GITHUB_OUTPUT, RUNNER_TEMP; INPUT_OUTPUT, INPUT_ARGS, CACHE_FOLDER and
# INPUT_CACHE_MAX may be empty.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need PROGRAM EPOCH GITHUB_OUTPUT RUNNER_TEMP

# beside IMAGE: where the result goes if nothing is said: app.tar becomes app.restamped.tar, and a folder app becomes
# app.restamped. The transport of IMAGE stays; its REF, which chooses one image, goes.
beside() {
  local path=$1 transport='' end
  case $path in
    oci:* | oci-archive:* | docker-archive:*)
      transport=${path%%:*}:
      path=${path#*:}
      path=${path%%:*}
      ;;
  esac
  path=${path%/}
  for end in .tar .tar.gz .tgz .tar.zst; do
    if [ "$path" != "${path%"$end"}" ]; then
      echo "$transport${path%"$end"}.restamped$end"
      return
    fi
  done
  echo "$transport$path.restamped"
}

# Makes the folder of the cache, or closes it for others: restamp takes none that somebody else can write, and what
# unpacks a kept one may open it for a group.
prepare_cache() {
  mkdir -p -- "$1"
  chmod -R go-w -- "$1"
}

main() {
  local image=${INPUT_IMAGE:-} destination=${INPUT_OUTPUT:-} documents word in_place=''
  local -a words=() options
  [ -n "$image" ] || fail "image: expected the image to rewrite, found nothing"
  split_words "${INPUT_ARGS:-}" || fail "args: a quote is not closed, or a backslash is the last character: ${INPUT_ARGS:-}"
  documents=$(mktemp -d "$RUNNER_TEMP/restamp.XXXXXX")
  options=(--epoch "$EPOCH" --report "$documents/report.json" --digest-file "$documents/digest")
  if [ -n "${CACHE_FOLDER:-}" ]; then
    prepare_cache "$CACHE_FOLDER"
    options+=(--cache "$CACHE_FOLDER")
    if [ -n "${INPUT_CACHE_MAX:-}" ]; then options+=(--cache-max "$INPUT_CACHE_MAX"); fi
  fi
  for word in "${words[@]}"; do
    if [ "$word" = --in-place ]; then in_place=1; fi
  done
  if [ -n "$in_place" ]; then
    [ -z "$destination" ] || fail "output: --in-place in args replaces the image itself: leave output out"
    "$PROGRAM" rewrite "${words[@]}" "${options[@]}" -- "$image"
    destination=$image
  else
    case $image in
      docker://*) [ -n "$destination" ] || fail "output: say where the result goes, as image is in a registry: docker://…" ;;
    esac
    destination=${destination:-$(beside "$image")}
    "$PROGRAM" rewrite "${words[@]}" "${options[@]}" -- "$image" "$destination"
  fi
  output digest "$(<"$documents/digest")"
  output image "$destination"
  output report "$documents/report.json"
}

main
