# env.nu
$env.EDITOR = "hx"
$env.PATH = ($env.PATH | split row (char esep) | prepend "~/.local/bin")
load-env {
  PAGER: less
}
if ($nu.os-info.name == "linux") {
}
def ds [] {
  $env.ANTHROPIC_API_KEY = "sk-ant-api03-TESTnU3QFAKEpPgDTESTh3iXFAKEsVXDTEST2zsWFAKE9Hz2TESTSJSbFAKE3fsXTESTYQQXFAKEd5sgTESTzA5EFAKEnUAA"
  ^claude
}
