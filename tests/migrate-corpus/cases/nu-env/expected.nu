# env.nu
$env.EDITOR = "hx"
$env.PATH = ($env.PATH | split row (char esep) | prepend "~/.local/bin")
load-env {
  PAGER: less
}
if ($nu.os-info.name == "linux") {
}
def ds [] {
  ^ringlet exec --profile ds claude --
}
