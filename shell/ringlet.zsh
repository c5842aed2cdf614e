# Ringlet for zsh: a function for each agent, and one line when another .ringlet.toml starts to govern.
#
# src/shell fills this in and prints it as one line, under `emulate zsh -o no_aliases -c`. So comments must be on lines of
# their own, here-documents are not possible, and the user's options do not apply.

# Succeeds if Ringlet may define a function $1: no other function has the name. An alias of that name would hide the
# function, so it is removed, unless it expands to the name itself (`alias claude='claude --verbose'`), or gives the agent an
# account of its own: a key, or that of a profile.
function __ringlet_free {
  setopt local_options extended_glob
  local alias
  if (( ${+functions[$1]} )); then
    if [[ ${functions[$1]} != $'\t'"command "(\'[^\']#\'|\$\'([^\'\\]|\\?)#\'|\\[\'\!])##" exec $1 -- \"\$@\"" ]]; then
      return 1
    fi
  fi
  for alias in "${aliases[$1]-$1}" "${galiases[$1]-$1}"; do
    if [[ $alias != [[:space:]]#([A-Za-z_][A-Za-z0-9_]#=[A-Za-z0-9_./:,+@%-]#[[:space:]]##|(noglob|nocorrect)[[:space:]]##)#$1([[:space:]\;\&\|\<\>]*|) && $alias != *(_(KEY|TOKEN)=|"ringlet exec ")* ]]; then
      unalias -- $1
    fi
  done
}

# each agent
if __ringlet_free @agent@; then
  function @agent@ {
    command '@ringlet@' exec @agent@ -- "$@"
  }
fi
# end

# Wraps ringlet to pass on what each agent's name is in this shell. Only the shell knows, and `ringlet status` shows it.
if (( ! ${+functions[ringlet]} )) || [[ ${functions[ringlet]} == *RINGLET_SHELL=* ]]; then
  function ringlet {
    # with prompt
    unset __ringlet_file
    __ringlet_moved
    # end
    RINGLET_SHELL="zsh$(setopt local_options extended_glob
      for __ringlet_name in @agents@; do
        __ringlet_kind=program
        if (( ${+functions[$__ringlet_name]} )); then
          __ringlet_kind=function
          if [[ ${functions[$__ringlet_name]} == *"command "*ringlet*" exec $__ringlet_name -- "* ]]; then
            __ringlet_kind=ringlet
          fi
        fi
        for __ringlet_text in "${aliases[$__ringlet_name]-$__ringlet_name}" "${galiases[$__ringlet_name]-$__ringlet_name}"; do
          if [[ $__ringlet_text != [[:space:]]#([A-Za-z_][A-Za-z0-9_]#=[A-Za-z0-9_./:,+@%-]#[[:space:]]##|(noglob|nocorrect)[[:space:]]##)#$__ringlet_name([[:space:]\;\&\|\<\>]*|) && $__ringlet_text != *"ringlet exec "* ]]; then
            __ringlet_kind=alias
          fi
        done
        builtin print -rn -- " $__ringlet_name=$__ringlet_kind"
      done)" command '@ringlet@' "$@"
  }
fi

# A change of directory only schedules the notice for the next prompt. So a script, a subshell or a function that changes
# back prints nothing, and prompts without a change cost nothing.
function __ringlet_moved {
  if (( ! ${precmd_functions[(Ie)__ringlet_notice]} )); then
    precmd_functions+=(__ringlet_notice)
  fi
}

# Runs at the first prompt after a change. The very first time it only records the file that governs.
function __ringlet_notice {
  local dir=${PWD-} start stop=. file=
  precmd_functions=("${(@)precmd_functions:#__ringlet_notice}")
  if [[ ${HOME-} == /*[^/]* ]]; then
    stop=${HOME%"${HOME##*[^/]}"}
    stop=${stop%/*}
    stop=${stop%"${stop##*[^/]}"}
  fi
  # The root is the empty string here, since on some systems a path that begins with two slashes is another place.
  while [[ $dir == */ ]]; do
    dir=${dir%/}
  done
  start=$dir
  while [[ -z $dir || $dir == /* ]]; do
    case $dir in
      ("$stop" | '@ceilings@') if [[ $dir != "$start" ]]; then break; fi ;;
    esac
    if [[ -e $dir/.ringlet.toml ]]; then
      file=$dir/.ringlet.toml
      break
    fi
    if [[ -z $dir ]]; then
      break
    fi
    # `${dir%/*}` would try every end of the path in turn: on a deep path that is most of the time.
    dir=${dir:h}
    if [[ $dir == / ]]; then
      dir=
    fi
  done
  # without prompt
  if [[ -n $file && $file != "${__ringlet_file-$file}" && -x '@ringlet@' ]]; then
    command '@ringlet@' announce </dev/null || true
  fi
  # end
  # with prompt
  if [[ $file != "${__ringlet_file-.}" ]]; then
    if [[ ! -x '@ringlet@' ]]; then
      unset RINGLET_PROFILE
    elif [[ -n $file && -n ${__ringlet_file+x} ]]; then
      typeset -gx RINGLET_PROFILE="$(command '@ringlet@' announce --profile </dev/null)"
    else
      typeset -gx RINGLET_PROFILE="$(command '@ringlet@' announce --profile </dev/null 2>/dev/null)"
    fi
    if [[ -z ${RINGLET_PROFILE-} ]]; then
      unset RINGLET_PROFILE
    fi
  fi
  # end
  typeset -g __ringlet_file=$file
}

unfunction __ringlet_free
if [[ -o interactive ]]; then
  unset __ringlet_file
  typeset -ga chpwd_functions precmd_functions
  if (( ! ${chpwd_functions[(Ie)__ringlet_moved]} )); then
    chpwd_functions+=(__ringlet_moved)
  fi
  __ringlet_moved
fi
