"""Generates documents of one format and compares what the readers took with what the libraries took.

Usage: compare.py FORMAT CACHE COUNT SEED. Whoever starts this script takes batches of documents in hexadecimal digits, each
closed by an empty line, from the script's output and answers on its input. Reports go to the standard error.
"""

import collections
import importlib.util
import io
import json
import logging
import random
import subprocess
import sys
import tomllib

import yaml

FORMAT, CACHE, COUNT, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
BATCH = 20000
logging.disable()

FRAGMENTS = {
    "dotenv": ["A", "B", "export", "=", "=", ":", ": ", "'", '"', "`", "\\", "\\'", '\\"', "\\n", "\\\\", "#", " #", " ",
               "  ", "\t", "\n", "\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\ufeff", "\xa0", "\x1c",
               "export ", "export\t", "A=", "B=", "A='", 'B="', "C=`", "x", "1", "${A}", ".", "-", "!", "\nA=", "\nB: ",
               "\n'C'=", "\u3000", "\0"],
    "json": ["{", "}", "[", "]", ",", ":", '"a"', '"b"', '"', "1", "-0.5e3", "true", "null", "//", "/*", "*/", "\n", "\r",
             "\r\n", " ", "\t", "\u2028", "\u2029", "\x85", "\ufeff", "\\", "\\n", "\\u0061", "\\ud83d\\ude00", "\\ud83d",
             "\\x41", "\\/", "'", "a", "0x10", "+1", ".5", "01", "NaN", "\x0b", "\xa0", '"a":', '{"a":1,', '"b":[', "\0", "é"],
    "yaml": ["a", "b", "c d", ": ", ":", ":\n", "- ", "-", "? ", "?", "{", "}", "[", "]", ", ", ",", "\n", "\n", "\n  ",
             "\n    ", "  ", " ", "\t", "\r", "\r\n", "# x", " # x", "#", "'", '"', "''", "\\", "\\n", '\\"', "\\x41", "\\u0062", "|",
             "|\n", ">\n  ", ">-", "|2", "&x ", "&x", "*x", "*x ", "<<: ", "<<: *x", "!", "!!str ", "%YAML 1.1", "---", "--- ",
             "\n---\n", "\n...\n", "yes", "~", "null", "1", "0x1f", "1.5", "1_0", "=", "@", "`", "\x85", "\u2028", "\ufeff", "\xa0",
             "a: ", "b: ", "\na: ", "\nb: ", "\n- ", "{a: 1}", "[a, b]", '"a": ', "'b': ", "\n  a: 1", "\n  - b", "x:y", "a#b",
             "&", "*", "http://x", "\\\n", "\\ ", "%", "\x1b", "é", "😀", "-1", "[a]: ", "{a: 1}: "],
    "toml": ["a", "b", ".", "=", " = ", "[", "]", "[[", "]]", "{", "}", ",", "\n", "\n", "\r", "\r\n", " ", "\t", "#", "# x", "'", '"',
             "'''", '"""', "\\", "\\n", "\\u0061", "\\\n", "1", "1.5", "0x1f", "true", "1979-05-27", "inf", "a=1", "b='x'", "\na=",
             "\nb.c=", "\n[a]\n", "\n[a.b]\n", "\n[[c]]\n", "{a=1}", "[1, 2]", "\x85", "\u2028", "\ufeff", "\x01", "é", "1_0", "+1", "-0"],
}

def hostile(rng):
    return "".join(rng.choices(FRAGMENTS[FORMAT], k=rng.randint(1, 16)))


def name(rng):
    return rng.choice(["a", "b", "c", "dd", "e-f"])


def json_like(rng, depth=0):
    space = lambda: rng.choice(["", "", " ", "\n", "\r\n", "/* x */", "// x\n", "\t"])
    kind = rng.random()
    if depth < 3 and kind < 0.6:
        items = [json_like(rng, depth + 1) for _ in range(rng.randint(0, 3))]
        if kind < 0.35:
            items = [space() + rng.choice(['"%s"' % name(rng), '"\\u0061"', '"\\"x"']) + space() + ":" + item for item in items]
        body = ",".join(items) + ("," if items and rng.random() < 0.2 else "")
        return space() + ("{%s}" if kind < 0.35 else "[%s]") % (body + space()) + space()
    return space() + rng.choice(['"x"', '"//"', '"/*"', "1", "-0", "1e5", "true", "null", '"\\n\\/"', '"é"', '""', '"\\\\"', '"\\ud83d\\ude00"'])


def yaml_like(rng, indent=0, depth=0):
    scalars = ["x", "x y", "yes", "~", "1", "'q ''r'", '"d\\n\\x41"', "a:b", "http://x/#y", "", "x # c", "'multi\n%sline'" % (" " * (indent + 1)),
               "plain\n%smore" % (" " * (indent + 1)), "|\n%stext\n%s more\n" % (" " * (indent + 2), " " * (indent + 2)),
               ">-\n%sfold\n\n%smore" % (" " * (indent + 1), " " * (indent + 1)), "{a: 1, b: [x, y]}", "[a, {b: c}, d: e]", "[a,\n b]", "{a,\n  b: }",
               "*x", "&x v", "&x {a: 1}", "-1", "0x1F", "1.5e3", ".5", "- x", "? x", "{? a : b}", "{a:1}", '{"a":1}', "{a: b\n c}", "[]", "{}", "*x ", '"a\\\n  b"']
    if depth < 3 and rng.random() < 0.55:
        lines = []
        pad = " " * indent
        for _ in range(rng.randint(1, 3)):
            step = rng.choice([1, 2, 2, 4])
            if rng.random() < 0.65:
                key = rng.choice([name(rng), "<<", '"a"', "'b'", "a b", "1", "yes", "? a\n%s" % pad, "*x ", "&x k", "-x", '"\\x61"', "a#b", "[a]", ""])
                lines.append(pad + key + rng.choice([":", ":", ":", " :"]))
                lead = rng.choice([" ", " ", "\n", " &x\n", " &x "])
            else:
                lines.append(pad + "-")
                lead = rng.choice([" ", " ", "\n", " &x\n"])
            value = yaml_like(rng, indent + step, depth + 1)
            lines[-1] += lead + (value if "\n" in lead else value.lstrip(" "))
            if rng.random() < 0.1:
                lines.append(rng.choice(["# c", pad + "# c", "", "   "]))
        return "\n".join(lines)
    return " " * indent + rng.choice(scalars)


def dotenv_like(rng):
    lines = []
    for _ in range(rng.randint(1, 4)):
        quote = rng.choice(["", "", "'", '"', "`"])
        value = quote + "".join(rng.choices(["x", " ", "\\", "\\n", "\n", "#", " #", "'", '"', "`", "\u2028", "\\'", '\\"', "$A"], k=rng.randint(0, 5))) + quote
        key = rng.choice(["A", "B", "'A'", "export A", "export\tB", "A-b.c", "export", "\ufeffA", "# A", "A B"])
        lines.append(rng.choice(["", "", " "]) + key + rng.choice(["=", "=", " = ", ": ", ":", "=\n", "= "]) + value + rng.choice(["", "", " # c", "#c", " ", " x"]))
    return rng.choice(["\n", "\n", "\r", "\r\n", "\n\n", "\u2028"]).join(lines)


def toml_like(rng):
    lines = []
    value = lambda: rng.choice(["1", "'x'", '"\\u0061\\n"', "[1, {a=2}]", "{a.b=1, c='d'}", "'''\nx\ny'''", '"""\\\n  x"""', "true", "1e5", "1979-05-27", "[\n1, # c\n]"])
    for _ in range(rng.randint(1, 5)):
        key = ".".join(rng.choices(["a", "b", "'c'", '"d\\u0061"', "e"], k=rng.randint(1, 3)))
        lines.append(rng.choice(["%s = " % key + value(), "%s=" % key + value(), "[%s]" % key, "[[%s]]" % key, "# c"]))
    return rng.choice(["\n", "\n", "\r\n"]).join(lines)


STRUCTURED = {"json": json_like, "yaml": yaml_like, "dotenv": dotenv_like, "toml": toml_like}


def document(rng):
    kind = rng.random()
    if kind < 0.35:
        return hostile(rng)
    text = STRUCTURED[FORMAT](rng)
    # A structured document that is nearly right finds what neither kind finds.
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice(FRAGMENTS[FORMAT]) + text[at + rng.randint(0, 1):]
    return ("\ufeff" if rng.random() < 0.02 else "") + text


class Loader(yaml.SafeLoader):
    """The safe loader, which gives names and numbers as they are spelt."""

    def convert(self, node):
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
            return {"t": [[self.text(key), self.convert(value)] for key, value in node.value]}
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(value) for value in node.value]
        tag = node.tag.rpartition(":")[2]
        if tag == "null":
            return None
        if tag == "bool":
            return self.construct_yaml_bool(node)
        return {"n": node.value} if tag in ("int", "float") else node.value

    def text(self, node):
        if not isinstance(node, yaml.ScalarNode):
            raise ValueError
        return node.value


def by_pyyaml(text):
    translated = io.StringIO(text, newline=None).read()
    yaml.safe_load(translated)
    loader = Loader(translated)
    node = loader.get_single_node()
    return {"t": []} if node is None else loader.convert(node)


def by_tomllib(text):
    def pairs(value):
        if isinstance(value, dict):
            return {"t": [[name, pairs(value)] for name, value in value.items()]}
        if isinstance(value, list):
            return [pairs(value) for value in value]
        if isinstance(value, bool) or isinstance(value, str):
            return value
        return {"n": repr(value)} if isinstance(value, (int, float)) else str(value)
    return pairs(tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n")))


def python_dotenv(version):
    spec = importlib.util.spec_from_file_location(f"parser_{version}", f"{CACHE}/python-dotenv-{version}/dotenv/parser.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def read(text):
        stream = io.StringIO(text, newline=None)
        found = [[b.key, b.value] for b in module.parse_stream(stream) if b.key is not None and b.value is not None]
        return {"t": found}
    return read


LIBRARIES = {
    "dotenv": {"python-dotenv 1.2.1": python_dotenv, "python-dotenv 1.2.4": python_dotenv},
    "json": {},
    "yaml": {"PyYAML": lambda _: by_pyyaml},
    "toml": {"tomllib": lambda _: by_tomllib},
}[FORMAT]
LIBRARIES = {name: make(name.rpartition(" ")[2]) for name, make in LIBRARIES.items()}


def number(text):
    try:
        return float(int(text, 0)) if text.lower().startswith("0x") else float(text.replace("_", ""))
    except ValueError:
        return text


def holds(ours, theirs):
    """Whether all that a library took is in what the reader took."""
    if isinstance(theirs, dict) and "t" in theirs:
        if not (isinstance(ours, dict) and "t" in ours):
            return False
        return all(any(n == name and holds(v, value) for n, v in ours["t"]) for name, value in theirs["t"])
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(holds, ours, theirs))
    if isinstance(theirs, dict):
        ours = ours["n"] if isinstance(ours, dict) and "n" in ours else ours
        if not isinstance(ours, str):
            return False
        left, right = number(ours), number(theirs["n"])
        return ours == theirs["n"] or left == right or (left != left and right != right)
    if isinstance(theirs, str) and isinstance(ours, dict) and "n" in ours:
        return ours["n"] == theirs
    if FORMAT == "toml" and isinstance(theirs, str) and isinstance(ours, str):
        # Either is a line end, and a parser may give the other.
        return ours.replace("\r\n", "\n") == theirs.replace("\r\n", "\n")
    return ours == theirs and type(ours) is type(theirs)


def libraries(here, documents):
    command = ["node", f"{here}/libraries.mjs", FORMAT, CACHE]
    sent = "".join(f"{text.encode().hex() or '='}\n" for text in documents)
    done = subprocess.run(command, input=sent.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]


def readings(documents):
    for text in documents:
        print(text.encode().hex() or "=")
    print(flush=True)
    return [json.loads(sys.stdin.readline()) for _ in documents]


def main():
    rng = random.Random(f"{FORMAT} {SEED}")
    seen, wrong, shown, refused = collections.Counter(), collections.Counter(), 0, collections.Counter()
    left = COUNT
    here = sys.path[0]
    while left > 0:
        documents = [document(rng) for _ in range(min(BATCH, left))]
        left -= len(documents)
        ours = readings(documents)
        theirs = [{} for _ in documents]
        if FORMAT in ("dotenv", "json"):
            theirs = libraries(here, documents)
        assert len(ours) == len(theirs) == len(documents)
        for text, mine, took in zip(documents, ours, theirs):
            if "ok" not in mine:
                seen["refused"] += 1
            for library, read in LIBRARIES.items():
                try:
                    took[library] = read(text)
                except (yaml.YAMLError, ValueError, TypeError, RecursionError, KeyError, AttributeError):
                    pass
            for library, value in took.items():
                if "ok" not in mine:
                    if library != "jsonc-parser":
                        refused[library, mine["err"].split(" (line")[0]] += 1
                    continue
                seen[library] += 1
                if value is None and mine["ok"] == {"t": []}:
                    continue
                if not holds(mine["ok"], value):
                    wrong[library] += 1
                    if shown < 12:
                        shown += 1
                        print(f"{FORMAT}: {library}: {text!r}\n  theirs {value}\n  ours   {mine['ok']}", file=sys.stderr)
    print(f"{FORMAT}: {COUNT} documents, compared: {dict(seen)}; wrong: {dict(wrong)}", file=sys.stderr)
    for (library, reason), count in refused.most_common(12):
        print(f"{FORMAT}:   {library} took {count} that the reader refused: {reason}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
