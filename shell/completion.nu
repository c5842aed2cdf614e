# Ringlet's completions for nushell: asks ringlet itself, with the words up to the cursor.
#
# The hook's code has the same and more; nushell loads it later, so that it takes the place of this.
def "nu-complete ringlet" [context: string] {
    let words = ($context | str replace --regex '^.*[|;]\s*' '' | split row --regex '\s+')
    with-env {COMPLETE: nushell} { ^'@ringlet@' -- ...$words } | from json
}

def --wrapped ringlet [...words: string@"nu-complete ringlet"] { ^'@ringlet@' ...$words }
