#!/usr/bin/env bash
# What the scripts of the action share. Not a program: the others read it with `source`.

# fail MESSAGE: ends the step with an annotation in the log of the run. The runner reads commands on both streams; this one
# is not swallowed by $(…).
fail() {
  local message=$1
  # The runner reads a command up to the end of its line; these three are how it writes what would end or change one.
  message=${message//'%'/%25}
  message=${message//$'\r'/%0D}
  message=${message//$'\n'/%0A}
  echo "::error title=restamp::$message" >&2
  exit 1
}

# need NAME...: variables that the runner or the step sets.
need() {
  local name
  for name; do
    [ -n "${!name:-}" ] || fail "$name is not set: this script is a step of action.yml"
  done
}

# output NAME VALUE: an output of the step. The value may have several lines, and no line of it can end it early.
output() {
  local name=$1 value=$2 end
  end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s<<%s\n%s\n%s\n' "$name" "$end" "$value" "$end" >>"$GITHUB_OUTPUT"
}

# split_words TEXT: the words of TEXT in the array `words`, as a shell splits them: by blanks and line ends, with '…', "…"
# and \ as quotes. Nothing in them is evaluated: $, `, * and ; are characters like others.
split_words() {
  local text=$1 word='' in_word='' quote='' i c
  words=()
  for ((i = 0; i < ${#text}; i++)); do
    c=${text:i:1}
    if [ "$quote" = "'" ]; then
      if [ "$c" = "'" ]; then quote=''; else word+=$c; fi
    elif [ "$quote" = '"' ]; then
      case $c in
        '"') quote='' ;;
        \\)
          # Within double quotes a backslash is one unless it stands before one of these.
          case ${text:i+1:1} in
            [\"\\\$\`]) i=$((i + 1)) && word+=${text:i:1} ;;
            $'\n') i=$((i + 1)) ;;
            *) word+=$c ;;
          esac
          ;;
        *) word+=$c ;;
      esac
    else
      case $c in
        "'" | '"') quote=$c in_word=1 ;;
        \\)
          i=$((i + 1))
          [ "$i" -lt ${#text} ] || return 1
          if [ "${text:i:1}" != $'\n' ]; then word+=${text:i:1} in_word=1; fi
          ;;
        ' ' | $'\t' | $'\n' | $'\r')
          if [ -n "$in_word" ]; then words+=("$word"); fi
          word='' in_word=''
          ;;
        *) word+=$c in_word=1 ;;
      esac
    fi
  done
  [ -z "$quote" ] || return 1
  if [ -n "$in_word" ]; then words+=("$word"); fi
}
