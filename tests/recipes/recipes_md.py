"""The blocks of the pages in docs/ whose commands are run. Each stands below a comment that says how it is tried:
`<!-- KIND: WORD -->`."""

import re

import harness

KINDS = ("run", "file", "badge", "workflow", "gitlab", "library", "not run")
FENCE = re.compile(r"(?:<!-- (?P<kind>[a-z ]+): (?P<word>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)\n```\n", re.S)


def blocks(path):
    """All blocks in their order: kind (None without a comment), word, language, text."""
    text = harness.read(path)
    found = [(match["kind"], match["word"], match["language"], match["text"] + "\n") for match in FENCE.finditer(text)]
    if len(found) * 2 != len(re.findall(r"^```", text, re.M)):
        raise ValueError(f"{path}: a block is not closed, or one stands in another")
    return found


class Book:
    """The blocks of all pages by kind and word; `used` are those that were tried."""

    def __init__(self, *paths):
        self.all = [block for path in paths for block in blocks(path)]
        self.used = set()

    def take(self, kind, word):
        """The one block of that name."""
        self.used.add((kind, word))
        texts = [text for its_kind, its_word, _, text in self.all if (its_kind, its_word) == (kind, word)]
        if len(texts) != 1:
            raise KeyError(f"{len(texts)} blocks are called {kind}: {word}")
        return texts[0]

    def kind(self, kind):
        """All blocks of a kind, as pairs of word and text. That they were read does not count as tried."""
        return [(word, text) for its_kind, word, _, text in self.all if its_kind == kind]

    def untried(self):
        """Blocks that no case has taken, but for those that say why they are not run."""
        return [(kind, word) for kind, word, _, _ in self.all if kind != "not run" and (kind, word) not in self.used]
