# env.nu
$env.EDITOR = "hx"
$env.OPENAI_API_KEY = "sk-proj-TESTnU1bFAKEq8ZrTESTm2KdFAKEx7WcT3BlbkFJTESTv5HsFAKEj3NyTESTg6TpFAKEb9LfTESTNU1"   # codex
$env.PATH = ($env.PATH | split row (char esep) | prepend "~/.local/bin")
load-env {
  MISTRAL_API_KEY: 'TESTnu2cFAKEw4xTESTk9mFAKEp7nTESTq',
  PAGER: less
}
if ($nu.os-info.name == "linux") {
  $env.ANTHROPIC_API_KEY = r#'sk-ant-api03-TESTnU3QFAKEpPgDTESTh3iXFAKEsVXDTEST2zsWFAKE9Hz2TESTSJSbFAKE3fsXTESTYQQXFAKEd5sgTESTzA5EFAKEnUAA'#
}
def ds [] {
  $env.ANTHROPIC_API_KEY = "sk-ant-api03-TESTnU3QFAKEpPgDTESTh3iXFAKEsVXDTEST2zsWFAKE9Hz2TESTSJSbFAKE3fsXTESTYQQXFAKEd5sgTESTzA5EFAKEnUAA"
  ^claude
}
