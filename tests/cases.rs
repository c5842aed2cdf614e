//! The scripts in `tests/cases/launch`, one test each: `ringlet` with stand-in agents, shells, keyrings and servers.

use crate::common::world::RINGLET;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/launch")
}

/// Runs a case; what it prints last says why it does not hold.
#[track_caller]
fn holds(name: &str) {
    let output = Command::new(folder().join(format!("{name}.sh"))).arg(RINGLET).output().expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && last.starts_with("holds: "), "{name}: {last}\n{said}\n{stderr}");
}

macro_rules! cases {
    ($($test:ident = $name:literal,)*) => {
        const NAMES: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                holds($name);
            }
        )*
    };
}

cases! {
    bash_prompt_hooks = "bash-prompt-hooks",
    claude_background = "claude-background",
    claude_cask = "claude-cask",
    claude_rejected_key = "claude-rejected-key",
    cline_provider = "cline-provider",
    codex_resume = "codex-resume",
    codex_tool_shell = "codex-tool-shell",
    endpoint_without_effect = "endpoint-without-effect",
    foreign_function = "foreign-function",
    guard_aider_abbreviation = "guard-aider-abbreviation",
    guard_aider_env_cr = "guard-aider-env-cr",
    guard_aider_env_path = "guard-aider-env-path",
    guard_aider_message = "guard-aider-message",
    guard_claude_config_dir_in_project = "guard-claude-config-dir-in-project",
    guard_claude_env_file = "guard-claude-env-file",
    guard_claude_main_checkout = "guard-claude-main-checkout",
    guard_codex_mcp_bearer = "guard-codex-mcp-bearer",
    guard_continue_env_proxy = "guard-continue-env-proxy",
    guard_copilot_github_settings = "guard-copilot-github-settings",
    guard_copilot_mcp_json = "guard-copilot-mcp-json",
    guard_dir_grok = "guard-dir-grok",
    guard_dir_opencode = "guard-dir-opencode",
    guard_dir_vibe = "guard-dir-vibe",
    guard_gemini_env_bash = "guard-gemini-env-bash",
    guard_gemini_env_tab = "guard-gemini-env-tab",
    guard_gemini_server_command = "guard-gemini-server-command",
    guard_grok_claude_hooks = "guard-grok-claude-hooks",
    guard_grok_mcp_json = "guard-grok-mcp-json",
    guard_opencode_config_variable = "guard-opencode-config-variable",
    guard_opencode_mcp_url = "guard-opencode-mcp-url",
    guard_opencode_npmrc = "guard-opencode-npmrc",
    guard_opencode_small_model = "guard-opencode-small-model",
    guard_qwen_mcp_json = "guard-qwen-mcp-json",
    guard_qwen_mcp_url = "guard-qwen-mcp-url",
    guard_ringlet_config_in_project = "guard-ringlet-config-in-project",
    headless_unlock = "headless-unlock",
    help_needs_no_key = "help-needs-no-key",
    honest_aider_env_app = "honest-aider-env-app",
    honest_aider_read = "honest-aider-read",
    honest_allowed_values = "honest-allowed-values",
    honest_claude_bom = "honest-claude-bom",
    honest_claude_env = "honest-claude-env",
    honest_claude_hook = "honest-claude-hook",
    honest_claude_memory = "honest-claude-memory",
    honest_claude_permissions = "honest-claude-permissions",
    honest_codex_profiles = "honest-codex-profiles",
    honest_gemini_env_latin1 = "honest-gemini-env-latin1",
    honest_gemini_telemetry_off = "honest-gemini-telemetry-off",
    honest_opencode_agents_md = "honest-opencode-agents-md",
    honest_opencode_model = "honest-opencode-model",
    honest_opencode_timeout = "honest-opencode-timeout",
    hook_lookups = "hook-lookups",
    keepassxc_confirmation = "keepassxc-confirmation",
    leftover_models = "leftover-models",
    login_profile = "login-profile",
    many_at_once = "many-at-once",
    nested_endpoint = "nested-endpoint",
    old_claude_settings = "old-claude-settings",
    opencode_subcommands = "opencode-subcommands",
    stale_bus = "stale-bus",
    status_alias = "status-alias",
    subscription_token = "subscription-token",
    umask_002 = "umask-002",
    upgrade_open_shells = "upgrade-open-shells",
    vscode_wrapper = "vscode-wrapper",
    worktree_trust = "worktree-trust",
}

#[test]
fn every_case_is_run() {
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("a folder")
        .filter_map(|entry| entry.expect("readable").file_name().to_str()?.strip_suffix(".sh").map(str::to_owned))
        .filter(|name| name != "lib")
        .collect();
    assert_eq!(NAMES.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), there);
}
