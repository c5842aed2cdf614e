abbr -a glm 'ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic ANTHROPIC_AUTH_TOKEN=deadbeefa1c0ffee00deadbeefa1c0ff.TESTa1zBFAKEhFdE claude'
abbr --add work -- env ANTHROPIC_AUTH_TOKEN=deadbeefa2c0ffee00deadbeefa2c0ff.TESTa2zBFAKEhFdE ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic claude -c
abbr -a gs git status
