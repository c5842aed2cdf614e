"""The clients: how each is installed, made to trust the project, and started with its key as Ringlet gives it.

The variables and arguments are those of registry/agents; a client's `prepare` writes what its user would have written once, into
the fresh home of the replay. Nothing in here starts an agent.
"""

import json
import os
import subprocess

from world import KEY, PROMPT


def save(world, path, what):
    path = os.path.join(world.home, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(what if isinstance(what, str) else json.dumps(what))


def merge(world, path, what):
    """Adds entries to a JSON file of the user's own."""
    whole = os.path.join(world.home, path)
    old = {}
    if os.path.exists(whole):
        with open(whole, encoding="utf-8") as file:
            old = json.load(file)
    save(world, path, {**old, **what})


class Client:
    """One agent in one mode. `package` is what npm or pip installs; `words` are the arguments of a run that answers once."""
    name = program = package = ""
    python = False
    # Whether it wants a newer Node than 20.
    node = False
    pipe = None
    context = "AGENTS.md"
    # The variable that a project's file would name to get at the key.
    keyname = ""
    env = {}
    words = []
    # The arguments of an interactive session that asks at once.
    screen = []

    def prepare(self, world):
        pass

    def folder(self, agents):
        return os.path.join(agents, "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789.\n" else "-" for c in self.package))

    def install(self, agents, python):
        folder = self.folder(agents)
        if os.path.isdir(folder):
            return
        print("installing", self.package, flush=True)
        new = folder + ".new"
        if self.python:
            subprocess.run([python, "-m", "venv", new], check=True)
            subprocess.run([os.path.join(new, "bin", "python"), "-m", "pip", "install", "--quiet", self.package], check=True)
            # A virtual environment's programs name it by its path.
            subprocess.run(["sed", "-i", "1s|%s|%s|" % (new, folder)] + [e.path for e in os.scandir(os.path.join(new, "bin"))
                           if e.is_file(follow_symlinks=False)], check=True)
        else:
            subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", new, self.package], check=True)
        os.rename(new, folder)

    def binary(self, agents):
        return os.path.join(self.folder(agents), *(("bin",) if self.python else ("node_modules", ".bin")), self.program)

    def path(self, agents):
        """Folders to search before the system's own: the newest Node, where one lies among the agents."""
        node = os.path.join(agents, "node24", "node_modules", ".bin")
        return [node] if self.node and os.path.isdir(node) else []

    def arguments(self, world):
        return [world.fill(word) for word in self.words]


class Claude(Client):
    keyname = "ANTHROPIC_AUTH_TOKEN"
    name = program = "claude"
    package = "@anthropic-ai/claude-code@2.1.330"
    context = "CLAUDE.md"
    pipe = "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR"
    env = {"ANTHROPIC_BASE_URL": "@PROVIDER@", "CLAUDE_CODE_DISABLE_AGENT_VIEW": "1", "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1"}
    words = ["-p", PROMPT, "--allowedTools=Bash"]
    screen = ["--allowedTools=Bash", "--", PROMPT]

    def prepare(self, world):
        save(world, ".claude.json", {"hasCompletedOnboarding": True, "theme": "dark", "projects": {world.project: {
            "hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}}})


class ClaudeBearer(Claude):
    name = "claude-bearer"
    pipe = None
    env = dict(Claude.env, ANTHROPIC_AUTH_TOKEN=KEY)


class Codex(Client):
    keyname = "RINGLET_API_KEY"
    name = program = "codex"
    package = "@openai/codex@0.171.0"
    env = {"RINGLET_API_KEY": KEY}
    given = ["-c", 'model_provider="ringlet"', "-c", 'model_providers.ringlet.name="x"', "-c",
             'model_providers.ringlet.base_url="@PROVIDER@/v1"', "-c", 'model_providers.ringlet.env_key="RINGLET_API_KEY"', "-c",
             'model_providers.ringlet.wire_api="responses"', "-c", 'cli_auth_credentials_store="ephemeral"', "-c", 'model="fake"']
    words = given + ["exec", "--dangerously-bypass-approvals-and-sandbox", PROMPT]
    screen = given + ["--no-daemon", "--dangerously-bypass-approvals-and-sandbox", PROMPT]

    def prepare(self, world):
        save(world, ".codex/config.toml", '[projects."%s"]\ntrust_level = "trusted"\n' % world.project)


class Gemini(Client):
    keyname = "GEMINI_API_KEY"
    name = program = "gemini"
    package = "@google/gemini-cli@0.61.0"
    context = "GEMINI.md"
    env = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": "@PROVIDER@", "GEMINI_API_KEY_AUTH_MECHANISM": "",
           "GEMINI_CLI_CUSTOM_HEADERS": "", "GOOGLE_API_KEY": "", "GOOGLE_GENAI_USE_GCA": "", "GOOGLE_GENAI_USE_VERTEXAI": "",
           "GOOGLE_VERTEX_BASE_URL": ""}
    words = ["-m", "gemini-2.5-flash", "--yolo", "-p", PROMPT]
    screen = ["-m", "gemini-2.5-flash", "--yolo", "-i", PROMPT]

    def prepare(self, world):
        save(world, ".gemini/settings.json", {"security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": True}}})
        save(world, ".gemini/trustedFolders.json", {world.project: "TRUST_FOLDER"})


class Qwen(Client):
    keyname = "OPENAI_API_KEY"
    name = program = "qwen"
    package = "@qwen-code/qwen-code@0.24.4"
    context = "QWEN.md"
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "@PROVIDER@/v1", "OPENAI_MODEL": "fake"}
    words = ["--auth-type", "openai", "--yolo", "-p", PROMPT]
    screen = ["--auth-type", "openai", "--yolo", "-i", PROMPT]


class OpenCode(Client):
    keyname = "ANTHROPIC_API_KEY"
    name = program = "opencode"
    package = "opencode-ai@1.18.33"
    env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "@PROVIDER@/v1", "OPENCODE_AUTH_CONTENT": "{}", "OPENCODE_CONFIG_CONTENT":
           '{"provider":{"anthropic":{"options":{"baseURL":"@PROVIDER@/v1","apiKey":"{env:ANTHROPIC_API_KEY}"}}}}',
           "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    words = ["run", "-m", "anthropic/claude-sonnet-4-5", "--auto", PROMPT]
    screen = ["-m", "anthropic/claude-sonnet-4-5", "--auto", "--prompt", PROMPT]


class Pi(Client):
    """Its base URL is a setting of the user's own; the key comes from the environment."""
    name = program = "pi"
    keyname = "ANTHROPIC_API_KEY"
    package = "@earendil-works/pi-coding-agent@1.6.0"
    node = True
    env = {"ANTHROPIC_API_KEY": KEY}
    words = ["--model", "anthropic/claude-sonnet-4-5", "-p", PROMPT]
    screen = ["--model", "anthropic/claude-sonnet-4-5", PROMPT]

    def prepare(self, world):
        save(world, ".pi/agent/models.json", {"providers": {"anthropic": {"baseUrl": world.provider}}})
        save(world, ".pi/agent/trust.json", {world.project: True})


class Kilo(Client):
    keyname = "ANTHROPIC_API_KEY"
    name = program = "kilo"
    package = "@kilocode/cli@7.7.7"
    node = True
    env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "@PROVIDER@/v1", "KILO_AUTH_CONTENT": "{}", "KILO_CONFIG_CONTENT":
           '{"provider":{"anthropic":{"options":{"baseURL":"@PROVIDER@/v1","apiKey":"{env:ANTHROPIC_API_KEY}"}}}}',
           "KILO_DISABLE_MODELS_FETCH": "1", "KILO_NO_DAEMON": "1"}
    words = ["run", "-m", "anthropic/claude-sonnet-4-5", "--auto", PROMPT]
    screen = ["-m", "anthropic/claude-sonnet-4-5", "--auto", "--prompt", PROMPT]


class Aider(Client):
    keyname = "OPENAI_API_KEY"
    name = program = "aider"
    package = "aider-chat==0.86.2"
    python = True
    context = "CONVENTIONS.md"
    env = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": "@PROVIDER@/v1"}
    given = ["--openai-api-base", "@PROVIDER@/v1", "--openai-api-key", KEY, "--model", "openai/fake"]
    words = ["--openai-api-base", "@PROVIDER@/v1", "--model", "openai/fake", "--no-check-update", "--no-show-model-warnings", "--analytics-disable",
             "--yes-always", "--message", PROMPT]


class AiderAnthropic(Aider):
    keyname = "ANTHROPIC_API_KEY"
    name = "aider-anthropic"
    env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_API_BASE": "@PROVIDER@"}
    words = ["--set-env", "ANTHROPIC_API_BASE=@PROVIDER@", "--model", "anthropic/claude-sonnet-4-5"] + Aider.words[4:]


class Grok(Client):
    keyname = "XAI_API_KEY"
    name = program = "grok"
    package = "@xai-official/grok@1.0.41"
    env = {"XAI_API_KEY": KEY, "GROK_MODELS_BASE_URL": "@PROVIDER@/v1"}
    words = ["-m", "fake", "--always-approve", "-p", PROMPT]

    def prepare(self, world):
        save(world, ".grok/trusted_folders.toml", '[folders."%s"]\ntrusted = true\ndecided_at = 1795862322\n' % world.project)


class Copilot(Client):
    keyname = "COPILOT_PROVIDER_API_KEY"
    name = program = "copilot"
    package = "@github/copilot@1.0.102"
    env = {"COPILOT_PROVIDER_API_KEY": KEY, "COPILOT_PROVIDER_BASE_URL": "@PROVIDER@/v1", "COPILOT_MODEL": "fake",
           "COPILOT_PROVIDER_TYPE": "openai", "COPILOT_PROVIDER_WIRE_API": "completions"}
    words = ["--allow-all-tools", "-p", PROMPT]

    def prepare(self, world):
        save(world, ".copilot/config.json", {"trusted_folders": [world.project], "trustedFolders": [world.project]})


class Continue(Client):
    keyname = "RINGLET_API_KEY"
    name = "continue"
    program = "cn"
    package = "@continuedev/cli@1.5.47"
    env = {"RINGLET_API_KEY": KEY}
    words = ["--config", "@HOME@/.continue/config.yaml", "--auto", "-p", PROMPT]

    def prepare(self, world):
        save(world, ".continue/config.yaml", "name: x\nversion: 0.0.1\nschema: v1\nmodels:\n  - name: fake\n    provider: openai\n"
             "    model: gpt-4o\n    apiBase: %s/v1\n    apiKey: ${{ secrets.RINGLET_API_KEY }}\n    roles: [chat]\n" % world.provider)


class Cline(Client):
    """Its base URL is a setting of the user's own; the key comes from the environment."""
    name = program = "cline"
    keyname = "OPENAI_API_KEY"
    package = "cline@3.0.65"
    node = True
    env = {"OPENAI_API_KEY": KEY, "CLINE_SESSION_BACKEND_MODE": "local"}
    words = ["-P", "openai-compatible", PROMPT]

    def prepare(self, world):
        save(world, ".cline/data/settings/providers.json", {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}, "providers": {
            "openai-compatible": {"settings": {"provider": "openai-compatible", "model": "gpt-4o", "baseUrl": world.provider + "/v1"},
                                  "updatedAt": "2026-11-28T11:09:02.025Z", "tokenSource": "manual"}}})


class Kimi(Client):
    node = True
    keyname = "KIMI_MODEL_API_KEY"
    name = program = "kimi"
    package = "@moonshot-ai/kimi-code@2.1.0"
    env = {"KIMI_MODEL_API_KEY": KEY, "KIMI_MODEL_BASE_URL": "@PROVIDER@/v1", "KIMI_MODEL_NAME": "fake", "KIMI_MODEL_PROVIDER_TYPE": "openai"}
    words = ["-p", PROMPT]


class Vibe(Client):
    keyname = "MISTRAL_API_KEY"
    name = program = "vibe"
    package = "mistral-vibe==3.0.2"
    python = True
    env = {"MISTRAL_API_KEY": KEY}
    words = ["--auto-approve", "-p", PROMPT]

    def prepare(self, world):
        save(world, ".vibe/config.toml", 'active_model = "fake"\n[[providers]]\nname = "mistral"\napi_base = "%s/v1"\n'
             'api_key_env_var = "MISTRAL_API_KEY"\nbackend = "generic"\n[[models]]\nname = "fake"\nprovider = "mistral"\nalias = "fake"\n'
             % world.provider)
        save(world, ".vibe/trusted_folders.toml", 'trusted = ["%s"]\nuntrusted = []\n' % world.project)


class Llm(Client):
    keyname = "OPENAI_API_KEY"
    name = program = "llm"
    package = "llm==0.36"
    python = True
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "@PROVIDER@/v1", "LLM_MODEL": "gpt-4o-mini"}
    words = [PROMPT]


ALL = {c.name: c for c in (c() for c in (Claude, ClaudeBearer, Codex, Gemini, Qwen, OpenCode, Pi, Kilo, Aider, AiderAnthropic, Grok, Copilot,
                                         Continue, Cline, Kimi, Vibe, Llm))}
