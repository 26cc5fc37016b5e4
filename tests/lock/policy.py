"""BuildKit's schema of source policies as data, and what its engine does with a rule.

The data is from BuildKit's sourcepolicy/pb/policy.proto (messages and enums), policy.pb.go (the names in JSON) and json.go
(enums are strings of their names); the behaviour from sourcepolicy/matcher.go, formatter.go and mutate.go.
"""

import re

ENUMS = {
    "PolicyAction": ("ALLOW", "DENY", "CONVERT"),
    "MatchType": ("WILDCARD", "EXACT", "REGEX"),
    "AttrMatch": ("EQUAL", "NOTEQUAL", "MATCHES"),
}
MESSAGES = {
    "Policy": {"version": int, "rules": ["Rule"]},
    "Rule": {"action": "PolicyAction", "selector": "Selector", "updates": "Update"},
    "Selector": {"identifier": str, "match_type": "MatchType", "constraints": ["AttrConstraint"]},
    "Update": {"identifier": str, "attrs": {str: str}},
    "AttrConstraint": {"key": str, "value": str, "condition": "AttrMatch"},
}
# What only Docker's engine would refuse later: an image is pinned by a digest, a commit and a file by attributes.
PINNED = {
    "docker-image": re.compile(r"docker-image://[a-z0-9.:-]+(/[a-z0-9._-]+)+(:[\w.-]+)?@sha256:[0-9a-f]{64}"),
    "git": re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"),
    "http": re.compile(r"sha256:[0-9a-f]{64}"),
}


def faults(value, kind="Policy", path="policy"):
    """What in a document is not as the schema has it."""
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [fault for number, part in enumerate(value) for fault in faults(part, kind[0], f"{path}[{number}]")]
    if isinstance(kind, dict):
        is_map = isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
        return [] if is_map else [f"{path}: no map of texts"]
    if kind in ENUMS:
        return [] if value in ENUMS[kind] else [f"{path}: {value!r} is none of {ENUMS[kind]}"]
    if kind in MESSAGES:
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        unknown = [f"{path}: unknown field {key}" for key in value if key not in MESSAGES[kind]]
        known = [(key, value[key]) for key in value if key in MESSAGES[kind]]
        return unknown + [fault for key, part in known for fault in faults(part, MESSAGES[kind][key], f"{path}.{key}")]
    return [] if type(value) is kind else [f"{path}: no {kind.__name__}"]


def evaluate(policy, identifier, attrs=None):
    """What the engine makes of a source: its identifier and attributes. Only rules that convert, and match exactly."""
    attrs = dict(attrs or {})
    for _ in range(20):
        for rule in policy["rules"]:
            selector, update = rule["selector"], rule["updates"]
            if selector["identifier"] != identifier:
                continue
            new = update.get("identifier") or selector["identifier"]
            more = {**attrs, **update.get("attrs", {})}
            if (new, more) != (identifier, attrs):
                identifier, attrs = new, more
                break
        else:
            return identifier, attrs
    raise ValueError("too many operations")


def unpinned(policy):
    """Rules after which a source is still not pinned."""
    found = []
    for rule in policy["rules"]:
        identifier, attrs = evaluate(policy, rule["selector"]["identifier"])
        scheme = identifier.partition("://")[0]
        text = {"docker-image": identifier, "git": attrs.get("git.checksum", "")}.get(scheme, attrs.get("http.checksum", ""))
        if not PINNED.get(scheme, PINNED["http"]).fullmatch(text):
            found.append(identifier)
    return found


def cases(results):
    """The check itself finds faults."""
    rule = {"action": "CONVERT", "selector": {"identifier": "docker-image://docker.io/library/a:1", "match_type": "EXACT"},
            "updates": {"identifier": "docker-image://docker.io/library/a:1@sha256:" + "0" * 64}}
    results.same("a policy as it should be has no fault", [], faults({"version": 1, "rules": [rule]}))
    for name, bad in (("an action", {**rule, "action": "PIN"}), ("a field", {**rule, "matchType": "EXACT"}),
                      ("an attribute", {**rule, "updates": {"attrs": {"git.checksum": 1}}})):
        results.expect(f"{name} that is wrong is found", faults({"version": 1, "rules": [bad]}))
    results.same("a rule that pins is one", [], unpinned({"version": 1, "rules": [rule]}))
