def "nu-complete ringlet" [context: string] {
let words = ($context | str replace --regex '^.*[|;]\s*' '' | split row --regex '\s+')
with-env {COMPLETE: nushell} { ^'ringlet' -- ...$words } | from json
}
def --wrapped ringlet [...words: string@"nu-complete ringlet"] { ^'ringlet' ...$words }
