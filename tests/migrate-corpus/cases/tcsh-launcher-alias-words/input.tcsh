alias glm env ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic ANTHROPIC_AUTH_TOKEN=deadbeefa1c0ffee00deadbeefa1c0ff.TESTa1zBFAKEhFdE claude --verbose
alias work 'setenv CLAUDE_CONFIG_DIR ~/.claude-work; setenv ANTHROPIC_BASE_URL https://api.z.ai/api/anthropic; setenv ANTHROPIC_AUTH_TOKEN deadbeefa2c0ffee00deadbeefa2c0ff.TESTa2zBFAKEhFdE; claude \!*'
set history = 100
