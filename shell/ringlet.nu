# Ringlet for nushell: an alias for each agent, and one line when another .ringlet.toml starts to govern.
#
# src/shell fills this in and prints it line by line. nushell has no `eval`: config.nu saves the code in a folder that
# nushell loads after it. An alias passes every word on as it is and keeps the status, as a function would not.

# each agent
alias @agent@ = ^'@ringlet@' exec @agent@ --
# end

# The candidates come from ringlet itself, for the words up to the cursor.
def "nu-complete ringlet" [spans: list<string>] {
    with-env {COMPLETE: nushell} { ^'@ringlet@' -- ...$spans } | from json
}

# Wraps ringlet to pass on what each agent's name is in this shell. Only the shell knows, and `ringlet status` shows it.
# Words without a type are expanded as those of a program are. Without input, standard input stays the terminal.
@complete "nu-complete ringlet"
def --env --wrapped ringlet [...words] {
    let input = $in
    # with prompt
    hide-env --ignore-errors RINGLET_NOTICE
    # end
    let names = ('@agents@' | split row ' ' | where $it != '' | each {|name|
        let alias = (scope aliases | where name == $name | get --optional 0.expansion)
        let kind = if $alias != null {
            if $alias =~ $" exec ($name) --$" { 'ringlet' } else { 'alias' }
        } else if (scope commands | any {|it| $it.name == $name and $it.type == 'custom' }) { 'function' } else { 'program' }
        $"($name)=($kind)"
    })
    with-env {RINGLET_SHELL: (['nushell' ...$names] | str join ' ')} {
        if $input == null { ^'@ringlet@' ...$words } else { $input | ^'@ringlet@' ...$words }
    }
}

# Runs after a change of directory, and the first time only records the file that governs. Its memory is a record, which
# nushell passes to no program.
def --env "ringlet notice" [] {
    let stop = ($env.HOME? | default ($env.USERPROFILE? | default '.') | path dirname)
    let ends = ([$stop '@ceilings@'] | each {|end| if $end == '' { '/' } else { $end }})
    mut dir = $env.PWD
    mut file = ''
    loop {
        let here = ($dir | path join .ringlet.toml)
        if ($here | path exists) { $file = $here ; break }
        let above = ($dir | path dirname)
        if $above in ['' $dir ...$ends] { break }
        $dir = $above
    }
    let known = ($env.RINGLET_NOTICE? | get --optional file)
    # without prompt
    if $file != '' and $known != null and $file != $known and ('@ringlet@' | path exists) { '' | ^'@ringlet@' announce }
    # end
    # with prompt
    if $file != $known and ('@ringlet@' | path exists) {
        let said = ('' | ^'@ringlet@' announce --profile | complete)
        if $file != '' and $known != null { print --stderr --no-newline $said.stderr }
        if $said.stdout == '' { hide-env --ignore-errors RINGLET_PROFILE } else { $env.RINGLET_PROFILE = $said.stdout }
    }
    # end
    $env.RINGLET_NOTICE = {file: $file}
}

$env.config.hooks.env_change.PWD = ($env.config.hooks.env_change.PWD? | default [] | append {|| ringlet notice })
# with prompt
$env.config.hooks.pre_prompt = ($env.config.hooks.pre_prompt? | default [] | append {|| if $env.RINGLET_NOTICE? == null { ringlet notice } })
# end
