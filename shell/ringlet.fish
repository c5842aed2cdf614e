# Ringlet for fish: a function for each agent, and one line when another .ringlet.toml starts to govern.
#
# src/shell fills this in and prints it as one line, so comments must be on lines of their own. The output of a command
# substitution is split at newlines, which `string collect` undoes.

# Succeeds if Ringlet may define a function of that name: no other function has it. An alias is a function in fish.
function __ringlet_free --argument-names name
    if functions --query -- $name
        set --local details (functions --details --verbose -- $name)
        string match --quiet -- 'ringlet: *' "$details[5]"
    end
end

# each agent
if __ringlet_free @agent@
    function @agent@ --description 'ringlet: start @agent@ with its key'
        command '@ringlet@' exec @agent@ -- $argv
    end
end
# end

# Wraps ringlet to pass on what each agent's name is in this shell. Only the shell knows, and `ringlet status` shows it.
if __ringlet_free ringlet
    function ringlet --description 'ringlet: tell what this shell knows'
        # with prompt
        set --erase --global __ringlet_file
        if functions --query __ringlet_moved
            __ringlet_moved
        end
        # end
        RINGLET_SHELL=(echo fish
            for name in @agents@
                set --local kind program
                if functions --query -- $name
                    set --local details (functions --details --verbose -- $name)
                    set kind function
                    if test "$details[5]" = "ringlet: start $name with its key"
                        set kind ringlet
                    else if string match --quiet -- 'alias *' "$details[5]"
                        set kind alias
                    end
                end
                if abbr --query -- $name; and not abbr --show | string match --quiet --regex -- " -- $name '?$name(\s|'|\$)"
                    set kind alias
                end
                echo $name=$kind
            end) command '@ringlet@' $argv
    end
end

functions --erase __ringlet_free
# A change of directory only schedules the notice for the next prompt. So a script or a function that changes back prints
# nothing, and prompts without a change cost nothing. The very first notice only records the file that governs. While it
# walks up, the root is the empty string, as in the other shells. A named group of a regular expression sets a variable
# in a tenth of the time of a command substitution.
if status is-interactive
    set --erase --global __ringlet_file
    function __ringlet_moved --on-variable PWD
        function __ringlet_notice --on-event fish_prompt
            functions --erase __ringlet_notice
            set --local home "$HOME"
            set --local dir
            set --local stop
            if string match --quiet -- '*//*' $home
                set home (string replace --all --regex -- '//+' / $home | string collect)
            end
            string match --quiet --regex -- '(?s)^(?<stop>.*)/[^/]+/?\\z' $home
            string match --quiet --regex -- '(?s)^(?<dir>.*?)/*\\z' "$PWD"
            while not test -e $dir/.ringlet.toml
                if not string match --quiet --regex -- '(?s)^(?<dir>.*)/' $dir; or contains -- $dir $stop '@ceilings@'
                    set dir
                    break
                end
            end
            set --local file $dir/.ringlet.toml
            # without prompt
            if test -n "$file"; and set --query __ringlet_file; and test $file != "$__ringlet_file"; and test -x '@ringlet@'
                command '@ringlet@' announce </dev/null
            end
            # end
            # with prompt
            if not set --query __ringlet_file; or test "$file" != "$__ringlet_file"
                set --erase --global RINGLET_PROFILE
                set --local profile
                set --local says nothing
                if test -n "$file"; and set --query __ringlet_file
                    set says line
                end
                if test -x '@ringlet@'; and test $says = line
                    set profile (command '@ringlet@' announce --profile </dev/null)
                end
                if test -x '@ringlet@'; and test $says = nothing
                    set profile (command '@ringlet@' announce --profile </dev/null 2>/dev/null)
                end
                if test -n "$profile"
                    set --global --export RINGLET_PROFILE $profile
                end
            end
            # end
            set --global __ringlet_file "$file"
        end
    end
    __ringlet_moved
end
