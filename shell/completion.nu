# Ringlet's completions for nushell: asks ringlet itself, with the words up to the cursor.
#
# The hook's code has the same and more; nushell loads it later, so that it takes the place of this.
def "nu-complete ringlet" [spans: list<string>] {
    with-env {COMPLETE: nushell} { ^'@ringlet@' -- ...$spans } | from json
}

@complete "nu-complete ringlet"
def --wrapped ringlet [...words] {
    let input = $in
    if $input == null { ^'@ringlet@' ...$words } else { $input | ^'@ringlet@' ...$words }
}
