"""Expressions of GitHub Actions, as far as this repository's files use them. What is not known here is an error."""

import re

TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"
                   r"|(?P<symbol>==|!=|&&|\|\||[!().,\[\]]))")
FUNCTIONS = {
    "success": lambda state: state["ok"],
    "failure": lambda state: not state["ok"],
    "always": lambda state: True,
    "startsWith": lambda state, text, start: string(text).lower().startswith(string(start).lower()),
}


class Unknown(Exception):
    """An expression that this runner can't evaluate, so that a test of it says nothing."""


def string(value):
    """How an expression stands in a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise Unknown(f"a whole object in a text: {value}")
    return str(value)


class Parser:
    """One expression; `contexts` holds what it may name, `state` what the functions know."""

    def __init__(self, text, contexts, state):
        self.text, self.contexts, self.state = text, contexts, state
        self.tokens, at = [], 0
        while at < len(text.rstrip()):
            match = TOKEN.match(text, at)
            if not match:
                raise Unknown(f"{text!r}: not understood from {text[at:]!r} on")
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            at = match.end()

    def take(self, *symbols):
        """The next token if it is one of these symbols."""
        if self.tokens and self.tokens[0][0] == "symbol" and self.tokens[0][1] in symbols:
            return self.tokens.pop(0)[1]
        return None

    def expect(self, symbol):
        if not self.take(symbol):
            raise Unknown(f"{self.text!r}: expected {symbol}")

    def whole(self):
        value = self.either()
        if self.tokens:
            raise Unknown(f"{self.text!r}: {self.tokens[0][1]!r} is too much")
        return value

    def either(self):
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value or other
        return value

    def both(self):
        value = self.equal()
        while self.take("&&"):
            other = self.equal()
            value = value and other
        return value

    def equal(self):
        value = self.negated()
        while symbol := self.take("==", "!="):
            other = self.negated()
            if isinstance(value, str) and isinstance(other, str):
                same = value.lower() == other.lower()
            elif type(value) is type(other) or None in (value, other):
                same = value == other
            else:
                raise Unknown(f"{self.text!r}: compares {value!r} with {other!r}")
            value = same == (symbol == "==")
        return value

    def negated(self):
        if self.take("!"):
            return not self.negated()
        return self.operand()

    def operand(self):
        if self.take("("):
            value = self.either()
            self.expect(")")
            return value
        if not self.tokens:
            raise Unknown(f"{self.text!r}: ends too early")
        kind, text = self.tokens.pop(0)
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind != "name":
            raise Unknown(f"{self.text!r}: {text!r} is no value")
        if text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        return self.call(text) if self.take("(") else self.named(text)

    def call(self, name):
        arguments = []
        while not self.take(")"):
            arguments.append(self.either())
            self.take(",")
        if name not in FUNCTIONS:
            raise Unknown(f"{self.text!r}: the function {name}")
        return FUNCTIONS[name](self.state, *arguments)

    def named(self, name):
        """A value of a context. GitHub gives an empty text for what is not there; here that is an error, so that no
        misspelt name passes."""
        if name not in self.contexts:
            raise Unknown(f"{self.text!r}: the context {name}")
        value, path = self.contexts[name], name
        while self.take("."):
            _, key = self.tokens.pop(0)
            path += f".{key}"
            if not isinstance(value, dict) or key not in value:
                raise Unknown(f"{self.text!r}: there is no {path}")
            value = value[key]
        return value


def evaluate(text, contexts, state):
    """The value of one expression, without ${{ }}."""
    return Parser(text, contexts, state).whole()


def fill(text, contexts, state):
    """A text with every ${{ … }} replaced."""
    if not isinstance(text, str):
        return string(text)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: string(evaluate(match[1].strip(), contexts, state)), text, flags=re.S)
