def "nu-complete ringlet" [spans: list<string>] {
with-env {COMPLETE: nushell} { ^'ringlet' -- ...$spans } | from json
}
@complete "nu-complete ringlet"
def --wrapped ringlet [...words] {
let input = $in
if $input == null { ^'ringlet' ...$words } else { $input | ^'ringlet' ...$words }
}
