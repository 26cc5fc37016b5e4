#!/usr/bin/env bash
# Step of action.yml: puts restamp on the PATH of the job.
#
# Used as OWNER/REPO@REF, it is the static program of a release of that repository: the one that INPUT_VERSION names, or
# the version in Cargo.toml at REF. Its digest is compared with SHA256SUMS of the release. Used from a checkout
# (`uses: ./`), it is built from there: what is checked out is what runs.
#
# The folder of the action says which of both it is, since the runner leaves the contexts and variables action_ref and
# action_repository empty in the steps of composite actions, and github.action_path wrong in containers.
#
# Needs: INPUT_VERSION (may be empty), GITHUB_ACTION_PATH, GITHUB_SERVER_URL, GITHUB_PATH, GITHUB_OUTPUT, RUNNER_OS,
# RUNNER_ARCH, RUNNER_TEMP; curl or wget, tar and gzip; or cargo and a C compiler.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need GITHUB_ACTION_PATH GITHUB_SERVER_URL GITHUB_PATH GITHUB_OUTPUT RUNNER_OS RUNNER_ARCH RUNNER_TEMP

# repository PATH: OWNER/REPO where the runner has unpacked the action of a repository; nothing for a folder of the job.
repository() {
  local rest=${1##*/_actions/} owner name
  if [ "$rest" = "$1" ]; then return; fi
  IFS=/ read -r owner name _ <<<"$rest"
  echo "$owner/$name"
}

# The version of this package, as Cargo.toml beside action.yml has it.
own_version() {
  sed -n '/^version = /{s/.*"\(.*\)".*/\1/p;q}' "$GITHUB_ACTION_PATH/Cargo.toml"
}

# The name that packaging/static gives the architecture of the runner.
architecture() {
  case $RUNNER_ARCH in
    X64) echo x86_64 ;;
    ARM64) echo aarch64 ;;
    *) fail "there is no release for runners of the architecture $RUNNER_ARCH: use the action from a checkout (uses: ./), which builds it" ;;
  esac
}

# download URL FILE: exit status 1 if it can't be had.
download() {
  if command -v curl >/dev/null; then
    # A redirect never leads from https to something else.
    curl --silent --show-error --fail --location --retry 3 --proto "=${1%%:*}" --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --tries 3 --output-document "$2" "$1"
  else
    fail "curl or wget is needed to download a release: install one of them in a step before this one"
  fi
}

# verify FILE NAME SUMS: does SUMS have exactly one digest for NAME, and is it that of FILE?
verify() {
  local file=$1 name=$2 sums=$3 expected found
  expected=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$sums")
  [[ $expected =~ ^[0-9a-f]{64}$ ]] || fail "SHA256SUMS of the release has not exactly one digest for $name"
  found=$(sha256sum "$file" | cut -d ' ' -f 1)
  [ "$found" = "$expected" ] || fail "$name is not what SHA256SUMS of the release says: expected $expected, found $found"
}

# from_release OWNER/REPO VERSION FOLDER
from_release() {
  local version=${2#v} folder=$3 arch name url
  [[ $version =~ ^[0-9A-Za-z.+-]+$ ]] || fail "version: expected that of a release, for example 0.2.0, found \"$2\""
  arch=$(architecture)
  name=restamp-$version-$arch-linux.tar.gz
  url=$GITHUB_SERVER_URL/$1/releases/download/v$version
  if ! download "$url/SHA256SUMS" "$folder/SHA256SUMS" || ! download "$url/$name" "$folder/$name"; then
    fail "$url: there is no release of restamp $version, or it can't be downloaded; the input version names another one"
  fi
  verify "$folder/$name" "$name" "$folder/SHA256SUMS"
  tar -xzf "$folder/$name" -C "$folder" --strip-components 1 --no-same-owner "${name%.tar.gz}/restamp"
  rm "$folder/SHA256SUMS" "$folder/$name"
}

# from_source FOLDER
from_source() {
  command -v cargo >/dev/null || fail "cargo is needed to build restamp from a checkout: install Rust in a step before this one"
  cargo build --locked --release --bin restamp --manifest-path "$GITHUB_ACTION_PATH/Cargo.toml" --target-dir "$RUNNER_TEMP/restamp-build"
  install -m 755 "$RUNNER_TEMP/restamp-build/release/restamp" "$1/restamp"
}

main() {
  local folder from
  [ "$RUNNER_OS" = Linux ] || fail "restamp runs on Linux, not on $RUNNER_OS"
  folder=$(mktemp -d "$RUNNER_TEMP/restamp-bin.XXXXXX")
  chmod 755 "$folder"
  from=$(repository "$GITHUB_ACTION_PATH")
  if [ -n "$from" ]; then
    from_release "$from" "${INPUT_VERSION:-$(own_version)}" "$folder"
  else
    [ -z "${INPUT_VERSION:-}" ] || fail "version: an action that is used from a checkout builds what is there; use OWNER/REPO@REF for a release"
    from_source "$folder"
  fi
  echo "$folder" >>"$GITHUB_PATH"
  output program "$folder/restamp"
  "$folder/restamp" --version
}

main
