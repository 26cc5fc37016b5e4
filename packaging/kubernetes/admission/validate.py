#!/usr/bin/env python3
"""Are the policies in this folder right? As YAML; by the schemas of Kyverno's and policy-controller's CRDs, where they are
given; and by what they decide: their expressions are evaluated over statements as restamp writes them.

    validate.py [--crds FOLDER] [--svr FILE]...

--crds has files of CRDs, as the releases of both projects have them: config/crds of Kyverno, config/300-clusterimagepolicy.yaml
of policy-controller. A field that a schema does not know is an error, as a controller drops it. Without, Kyverno's
ClusterPolicy alone is compared with a schema: that of Kyverno 1.13, as the package cloudcoil-models-kyverno has it.
--svr is a statement that `restamp attest` wrote; by default the example of docs/predicates/README.md.

No cluster and no controller is run. Needs the packages in requirements.txt. Ends with a line "N passed, M failed".
"""

import argparse
import copy
import glob
import json
import os
import re
import subprocess
import sys
import warnings

import celpy
import jmespath
import jsonschema
import regopy
import yaml

HERE = os.path.dirname(os.path.realpath(__file__))
PAGE = os.path.join(HERE, "../../../docs/predicates/README.md")
TYPE = "https://in-toto.io/attestation/svr/v0.2"
IDENTICAL = "RESTAMP_REPRODUCED_IDENTICAL"


class Results:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, what, is_so, said=""):
        if is_so:
            self.passed += 1
        else:
            self.failed += 1
        print(f"{'ok' if is_so else 'FAILED'}: {what}{f': {said}' if said and not is_so else ''}")


def changed(document, path, value):
    """The document with one field changed, or removed where the value is None."""
    document = copy.deepcopy(document)
    *parents, last = path
    at = document
    for step in parents:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return document


def statements(files):
    """What restamp writes: each of the files, or the example of the page."""
    if files:
        return [json.load(open(file, encoding="utf-8")) for file in files]
    with open(PAGE, encoding="utf-8") as page:
        blocks = re.findall(r"```json\n(.*?)\n```", page.read(), re.S)
    return [found for found in map(json.loads, blocks) if found.get("predicateType") == TYPE]


# Schemas.

def strict(schema):
    """A schema of a CRD as a JSON schema that takes no fields but its own."""
    schema = dict(schema)
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("anyOf", None)
        schema["type"] = ["integer", "string"]
    if schema.pop("nullable", False) and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if "items" in schema:
        schema["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = strict(schema["additionalProperties"])
    if "properties" in schema:
        schema["properties"] = {name: strict(inner) for name, inner in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    return schema


def crds(folder):
    """The schemas of all CRDs below a folder, by kind and apiVersion."""
    found = {}
    for file in sorted(glob.glob(f"{folder}/**/*.yaml", recursive=True)):
        with open(file, encoding="utf-8") as text:
            for document in yaml.load_all(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
                if not document or document.get("kind") != "CustomResourceDefinition":
                    continue
                spec = document["spec"]
                for version in spec["versions"]:
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    # What every object has, which the API server checks itself.
                    schema["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"}, metadata={"type": "object"})
                    found[spec["names"]["kind"], f"{spec['group']}/{version['name']}"] = schema
    return found


def wrong(document, schema):
    """What a schema says against a document; an empty text if nothing."""
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return "; ".join(f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in errors)


def mistakes(document):
    """Documents that a schema which is one has to refuse."""
    yield "an unknown field", changed(document, ["spec", "attestor"], [])
    if document["kind"] == "ClusterPolicy":
        verify = ["spec", "rules", 0, "verifyImages", 0]
        yield "an unknown type of verification", changed(document, [*verify, "type"], "Bundle")
        yield "a word for the count", changed(document, [*verify, "attestations", 0, "attestors", 0, "count"], "two")
    elif document["kind"] == "ImageValidatingPolicy":
        yield "a validation without an expression", changed(document, ["spec", "validations", 0, "expression"], None)
        yield "an unknown field of a key", changed(document, ["spec", "attestors", 0, "cosign", "key", "pem"], "")
    else:
        yield "an unknown field of an authority", changed(document, ["spec", "authorities", 0, "keys"], {})
        yield "a list for the policy", changed(document, ["spec", "policy"], [])


def try_schema(results, document, schemas, where):
    what = f"{document['kind']} {document['metadata']['name']}"
    schema = schemas.get((document["kind"], document["apiVersion"]))
    results.expect(f"{what}: {where} has a schema for {document['apiVersion']}", schema)
    if schema:
        results.expect(f"{what}: the schema of {where}", not wrong(document, schema), wrong(document, schema))
        for name, mistaken in mistakes(document):
            results.expect(f"{what}: the schema of {where} refuses {name}", wrong(mistaken, schema))


def try_model(results, document):
    """Kyverno's ClusterPolicy by the models of a package, which are made from its CRD: nothing may be wrong, or get lost."""
    warnings.simplefilter("ignore")
    from cloudcoil.models.kyverno import v1  # It takes some seconds to import.

    def lost(given, kept, path=""):
        """The paths of what the model did not take over."""
        if isinstance(given, dict):
            return [inner for key, value in given.items() for inner in
                    (lost(value, kept[key], f"{path}/{key}") if isinstance(kept, dict) and key in kept else [f"{path}/{key}"])]
        if isinstance(given, list) and isinstance(kept, list):
            return [inner for one, other in zip(given, kept) for inner in lost(one, other, path)]
        return [] if given == kept else [path]

    def refused(candidate):
        try:
            kept = v1.ClusterPolicy.model_validate(candidate).model_dump(by_alias=True, exclude_unset=True, mode="json")
        except ValueError as error:
            return str(error)
        return ", ".join(lost(candidate["spec"], kept["spec"]))

    results.expect("ClusterPolicy: the model of Kyverno 1.13", not refused(document), refused(document))
    for name, mistaken in mistakes(document):
        results.expect(f"ClusterPolicy: the model of Kyverno 1.13 refuses {name}", refused(mistaken))


# Decisions.

def rego(module, value):
    """The answer of policy-controller's policies: isCompliant of the package sigstore. What is not true or not there is a no."""
    interpreter = regopy.Interpreter()
    interpreter.add_module("sigstore.rego", module)
    interpreter.set_input(value)
    return str(interpreter.query("data.sigstore.isCompliant")) == '{"expressions":[true]}'


def try_policy_controller(results, document, statement):
    what = document["metadata"]["name"]
    for authority in document["spec"]["authorities"]:
        [attestation] = authority["attestations"]
        results.expect(f"{what}: {authority['name']} looks at the type of statement", attestation["predicateType"] == TYPE)
        module = attestation["policy"]["data"]
        own = re.search(r'verifier\.id == "([^"]+)"', module)[1]
        right = changed(statement, ["predicate", "verifier", "id"], own)
        results.expect(f"{what}: {authority['name']} takes its operator's statement", rego(module, right))
        for name, other in (
            ("another operator", changed(right, ["predicate", "verifier", "id"], f"{own}0")),
            ("another type", changed(right, ["predicateType"], "https://in-toto.io/attestation/test-result/v0.1")),
            ("equality after restamping alone", changed(right, ["predicate", "properties"], ["RESTAMP_REPRODUCED_STABILIZED_V1"])),
            ("no properties", changed(right, ["predicate", "properties"], [])),
        ):
            results.expect(f"{what}: {authority['name']} does not take {name}", not rego(module, other))
    names = [authority["name"] for authority in document["spec"]["authorities"]]
    for count in range(len(names) + 1):
        matches = {name: {"attestations": {"svr": [{"id": name, "predicateType": TYPE}]}} for name in names[:count]}
        results.expect(f"{what}: {count} of {len(names)} operators: {'yes' if count >= 2 else 'no'}",
                       rego(document["spec"]["policy"]["data"], {"authorityMatches": matches}) == (count >= 2))


def try_image_validating_policy(results, document):
    """The CEL expression, with a function in the place of Kyverno's that verifies signatures."""
    what = document["metadata"]["name"]
    [attestation] = document["spec"]["attestations"]
    results.expect(f"{what}: looks at the type of statement", attestation["intoto"]["type"] == TYPE)
    names = [attestor["name"] for attestor in document["spec"]["attestors"]]
    verified = {}

    def verify_attestation_signatures(image, asked, attestors):
        if str(asked) != attestation["name"]:
            raise ValueError(f"no attestation {asked}")
        return celpy.celtypes.IntType(sum(str(name) in verified.get(str(image), ()) for name in attestors))

    environment = celpy.Environment()
    [validation] = document["spec"]["validations"]
    # celpy's functions are named in its own way, and `images.x` is a field of a map there as it is in Kyverno.
    program = environment.program(environment.compile(validation["expression"]),
                                  functions={"verifyAttestationSignatures": verify_attestation_signatures})

    def decide(containers, init=(), ephemeral=()):
        return bool(program.evaluate({
            "images": celpy.json_to_cel({"containers": list(containers), "initContainers": list(init), "ephemeralContainers": list(ephemeral)}),
            "attestations": celpy.json_to_cel({attestation["name"]: attestation["name"]}),
            "attestors": celpy.json_to_cel({name: name for name in names})}))

    for count in range(len(names) + 1):
        verified["app"] = names[:count]
        results.expect(f"{what}: {count} of {len(names)} operators: {'yes' if count >= 2 else 'no'}", decide(["app"]) == (count >= 2))
    results.expect(f"{what}: any two of them", all(
        verified.update(app=pair) or decide(["app"]) for pair in ([names[0], names[2]], [names[1], names[2]])))
    results.expect(f"{what}: not the same operator for two images", not (verified.update(app=names[:1], other=names[1:2]) or decide(["app", "other"])))
    verified.update(app=names, other=[])
    for place, images in (("a second container", (["app", "other"],)), ("an init container", (["app"], ["other"])),
                          ("an ephemeral container", (["app"], [], ["other"]))):
        results.expect(f"{what}: {place} counts as well", not decide(*images))


def try_cluster_policy(results, document, statement):
    """The conditions; JMESPath is that of the package, which Kyverno's extends."""
    [verify] = document["spec"]["rules"][0]["verifyImages"]
    [attestation] = verify["attestations"]
    [attestors] = attestation["attestors"]
    results.expect("ClusterPolicy: looks at the type of statement", attestation["type"] == TYPE)
    results.expect("ClusterPolicy: two of its entries", (attestors["count"], len(attestors["entries"])) == (2, 3))

    def met(predicate):
        operators = {"Equals": lambda found, value: found == value, "AnyIn": lambda found, value: found in value}
        return all(operators[condition["operator"]](jmespath.search(condition["key"].strip("{} "), predicate), condition["value"])
                   for block in attestation["conditions"] for condition in block["all"])

    predicate = statement["predicate"]
    results.expect("ClusterPolicy: takes a statement of success", met(predicate), json.dumps(predicate))
    for name, other in (("another operator", changed(predicate, ["verifier", "id"], "https://rebuild.example.com/v1")),
                        ("equality after restamping alone", changed(predicate, ["properties"], ["RESTAMP_REPRODUCED_STABILIZED_V1"]))):
        results.expect(f"ClusterPolicy: does not take {name}", not met(other))


def try_keys(results, name, text):
    """All keys are on P-256, and no operator has the key of another."""
    keys = [re.sub(r"(?m)^ +", "", key) for key in re.findall(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", text, re.S)]
    if keys:
        curves = [subprocess.run(["openssl", "pkey", "-pubin", "-noout", "-text"], input=key, capture_output=True, text=True, check=False).stdout
                  for key in keys]
        results.expect(f"{name}: every key is one on P-256", all("prime256v1" in curve for curve in curves), curves)
        results.expect(f"{name}: each operator has a key of its own", len(set(keys)) == len(keys) == 3)


def main():
    parser = argparse.ArgumentParser(prog="validate.py")
    parser.add_argument("--crds", metavar="FOLDER")
    parser.add_argument("--svr", metavar="FILE", action="append", default=[])
    options = parser.parse_args()
    results = Results()
    schemas = crds(options.crds) if options.crds else {}
    examples = statements(options.svr)
    results.expect("there is a statement of success to decide on", examples and all(
        example["predicateType"] == TYPE and IDENTICAL in example["predicate"]["properties"] for example in examples))
    for file in sorted(glob.glob(f"{HERE}/*.yaml")):
        with open(file, encoding="utf-8") as source:
            text = source.read()
        [document] = yaml.safe_load_all(text)
        try_keys(results, os.path.basename(file), text)
        if options.crds:
            try_schema(results, document, schemas, options.crds)
        for example in examples:
            if document["kind"] == "ClusterImagePolicy":
                try_policy_controller(results, document, example)
            elif document["kind"] == "ClusterPolicy":
                try_cluster_policy(results, document, example)
        if document["kind"] == "ImageValidatingPolicy":
            try_image_validating_policy(results, document)
        if document["kind"] == "ClusterPolicy" and not options.crds:
            try_model(results, document)
    print(f"admission: {results.passed} passed, {results.failed} failed")
    sys.exit(results.failed > 0)


if __name__ == "__main__":
    main()
