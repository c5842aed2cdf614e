# shellcheck shell=bash
# Ringlet for bash: a function for each agent, and one line when another .ringlet.toml starts to govern.
#
# src/shell fills this in and prints it as one line, which is evaluated with aliases off. So comments must be on lines of
# their own, and here-documents are not possible. It works with bash 3.2, which macOS has.

# Succeeds if Ringlet may define a function $1: no other function has the name. An alias of that name would hide the
# function, so it is removed, unless it expands to the name itself (`alias claude='claude --verbose'`), or gives the agent an
# account of its own: a key, or that of a profile.
function __ringlet_free {
  local text pattern
  # In posix mode a function's name must be an identifier; any other name ends a script.
  if [[ -o posix && $1 == *[-.]* ]]; then
    return 1
  fi
  if declare -F "$1" >/dev/null; then
    text=$(declare -f "$1")
    pattern="^[^{]*\\{[[:space:]]*command ('[^']*'|\\\\['!])+ exec $1 -- \"\\\$@\"[[:space:]]*\\}\$"
    if [[ ! $text =~ $pattern ]]; then
      return 1
    fi
  fi
  if alias "$1" >/dev/null 2>&1; then
    text=$(alias "$1")
    pattern="^(alias )?$1=' *([A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_./:,+@%-]* +)*$1[] ;&|<>'[:space:]]"
    if [[ ! $text =~ $pattern && $text != *_KEY=* && $text != *_TOKEN=* && $text != *"ringlet exec "* ]]; then
      unalias "$1"
    fi
  fi
}

# each agent
if __ringlet_free @agent@; then
  function @agent@ {
    command '@ringlet@' exec @agent@ -- "$@"
  }
fi
# end

# Wraps ringlet to pass on what each agent's name is in this shell. Only the shell knows, and `ringlet status` shows it.
if ! declare -F ringlet >/dev/null || [[ $(declare -f ringlet) == *RINGLET_SHELL=* ]]; then
  function ringlet {
    # with prompt
    unset -v __ringlet_pwd __ringlet_file
    # end
    # shellcheck disable=SC2043 # the renderer puts every agent there
    RINGLET_SHELL="bash$(for __ringlet_name in @agents@; do
      __ringlet_kind=program
      if declare -F "$__ringlet_name" >/dev/null; then
        __ringlet_kind=function
        if [[ $(declare -f "$__ringlet_name") == *"command "*ringlet*" exec $__ringlet_name -- "* ]]; then
          __ringlet_kind=ringlet
        fi
      fi
      __ringlet_text="^(alias )?$__ringlet_name=' *([A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_./:,+@%-]* +)*${__ringlet_name}[] ;&|<>'[:space:]]"
      if shopt -q expand_aliases && alias "$__ringlet_name" >/dev/null 2>&1 && [[ ! $(alias "$__ringlet_name") =~ $__ringlet_text && $(alias "$__ringlet_name") != *"ringlet exec "* ]]; then
        __ringlet_kind='alias'
      fi
      builtin printf ' %s=%s' "$__ringlet_name" "$__ringlet_kind"
    done)" command '@ringlet@' "$@"
  }
fi

# Runs at every prompt, and returns at once if the directory is the same. The very first time it only records the file that
# governs. It returns the exit status with which it was called.
function __ringlet_notice {
  local prev=$?
  if [ "${PWD-}" = "${__ringlet_pwd-}" ]; then
    return "$prev"
  fi
  local dir=${PWD-} start stop=. file=
  __ringlet_pwd=$dir
  if [[ ${HOME-} == /*[!/]* ]]; then
    stop=${HOME%"${HOME##*[!/]}"}
    stop=${stop%/*}
    stop=${stop%"${stop##*[!/]}"}
  fi
  # The root is the empty string here, since on some systems a path that begins with two slashes is another place.
  while [[ $dir == */ ]]; do
    dir=${dir%/}
  done
  start=$dir
  while [[ -z $dir || $dir == /* ]]; do
    case $dir in
      "$stop" | '@ceilings@') if [ "$dir" != "$start" ]; then break; fi ;;
    esac
    if [[ -e $dir/.ringlet.toml ]]; then
      file=$dir/.ringlet.toml
      break
    fi
    if [[ -z $dir ]]; then
      break
    fi
    dir=${dir%/*}
  done
  # without prompt
  if [ -n "$file" ] && [ "$file" != "${__ringlet_file-$file}" ] && [[ -x '@ringlet@' ]]; then
    command '@ringlet@' announce </dev/null || :
  fi
  # end
  # with prompt
  if [ "$file" != "${__ringlet_file-.}" ]; then
    if [[ ! -x '@ringlet@' ]]; then
      unset -v RINGLET_PROFILE
    elif [ -n "$file" ] && [ -n "${__ringlet_file+x}" ]; then
      RINGLET_PROFILE=$(command '@ringlet@' announce --profile </dev/null) || :
    else
      RINGLET_PROFILE=$(command '@ringlet@' announce --profile </dev/null 2>/dev/null) || :
    fi
    if [ -n "${RINGLET_PROFILE-}" ]; then
      export RINGLET_PROFILE
    else
      unset -v RINGLET_PROFILE
    fi
  fi
  # end
  __ringlet_file=$file
  export -n __ringlet_pwd __ringlet_file
  return "$prev"
}

# Adds the notice to PROMPT_COMMAND, once. A string stays a string (the newline ends its last command) and an array stays
# an array. `&& :` passes on a status other than 0 without `set -e` or an ERR trap acting on it. PROMPT_COMMAND may be
# exported to a shell that has no such function, so it names a variable, which is not exported. `printf -v` is used
# because an assignment to a readonly PROMPT_COMMAND would end the user's rc file.
function __ringlet_install {
  local old=${PROMPT_COMMAND-} line=$'\n'
  unset -v __ringlet_pwd __ringlet_file
  __ringlet_call=__ringlet_notice
  export -n __ringlet_call
  export -fn __ringlet_notice
  if [[ "${PROMPT_COMMAND[*]-}" != *__ringlet_call* ]]; then
    printf -v PROMPT_COMMAND '%s' "${old:+$old$line}\"\${__ringlet_call:-:}\" && :" 2>/dev/null || :
  fi
}

if [[ $- == *i* ]]; then
  __ringlet_install
fi
unset -f __ringlet_free __ringlet_install
