// The checks of `validate`, which runs this where the packages are: node validate.mjs FILE.
import { readFileSync } from "node:fs";
import { validate as validateJob } from "./node_modules/kubernetes-models/_schemas/IoK8sApiBatchV1Job.mjs";
import { validate as validateClaim } from "./node_modules/kubernetes-models/_schemas/IoK8sApiCoreV1PersistentVolumeClaim.mjs";
import { parseAllDocuments } from "yaml";

const schemas = { Job: validateJob, PersistentVolumeClaim: validateClaim };
let passed = 0;
let failed = 0;

function check(name, holds, detail = "") {
  if (holds) passed += 1;
  else failed += 1;
  console.log(`${holds ? "ok" : "FAILED"}: ${name}${holds || !detail ? "" : `\n    ${detail}`}`);
}

/** What the schema says against a document; null if it says nothing. */
function wrong(document) {
  const validate = schemas[document.kind];
  if (!validate) return `unknown kind ${document.kind}`;
  const read = new Set();
  if (!validate(watched(document, "", read))) return validate.errors.map((one) => `${one.instancePath} ${one.message}`).join("; ");
  const unknown = unread(document, "", read);
  return unknown.length === 0 ? null : `unknown: ${unknown.join(", ")}`;
}

/** The same value, which writes down what is read of it. The schemas let pass what they don't know, and don't read it either. */
function watched(value, path, read) {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const inner = `${path}/${String(key)}`;
      if (Object.hasOwn(target, key)) read.add(inner);
      return watched(target[key], inner, read);
    },
  });
}

/** The paths of what was not read. */
function unread(value, path, read) {
  if (typeof value !== "object" || value === null) return [];
  return Object.keys(value).flatMap((key) => {
    const inner = `${path}/${key}`;
    return read.has(inner) ? unread(value[key], inner, read) : [inner];
  });
}

/** The document with one field changed, by its path. */
function changed(document, path, value) {
  const copy = structuredClone(document);
  const last = path.at(-1);
  const parent = path.slice(0, -1).reduce((at, key) => at[key], copy);
  parent[last] = value;
  return copy;
}

// Kubernetes reads YAML 1.1, where 0440 is octal.
const documents = parseAllDocuments(readFileSync(process.argv[2], "utf8"), { version: "1.1" }).map((one) => {
  check("it is YAML", one.errors.length === 0, one.errors.join("; "));
  return one.toJS();
});
for (const document of documents) check(`${document.kind}: the schema`, wrong(document) === null, wrong(document));

const job = documents.find((document) => document.kind === "Job");
const { spec } = job;
const pod = spec.template.spec;
const [container] = pod.containers;

// The schema is one that finds mistakes.
for (const [name, path, value] of [
  ["an unknown field", ["spec", "completionModes"], "Indexed"],
  ["an unknown field of a rule", ["spec", "podFailurePolicy", "rules", 0, "actions"], "Ignore"],
  ["a word for a number", ["spec", "backoffLimitPerIndex"], "three"],
  ["a rule without an action", ["spec", "podFailurePolicy", "rules", 0], {}],
  ["an unknown field of a container", ["spec", "template", "spec", "containers", 0, "arg"], []],
]) {
  check(`the schema refuses ${name}`, wrong(changed(job, path, value)) !== null);
}

// What Kubernetes wants beyond its schema.
check("a pod failure policy goes with restartPolicy Never", pod.restartPolicy === "Never");
check("FailIndex goes with backoffLimitPerIndex and Indexed", spec.backoffLimitPerIndex >= 0 && spec.completionMode === "Indexed");
check("maxFailedIndexes is at most completions", spec.maxFailedIndexes <= spec.completions);
check("the rule names a container", spec.podFailurePolicy.rules.every((rule) => !rule.onExitCodes || rule.onExitCodes.containerName === container.name));
const names = new Set(pod.volumes.map((volume) => volume.name));
check("every mount has a volume, and every volume a mount",
  container.volumeMounts.every((mount) => names.has(mount.name)) && container.volumeMounts.length === names.size);
const claim = documents.find((document) => document.kind === "PersistentVolumeClaim");
const claims = pod.volumes.flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []);
check("the claim is that of the file", claims.length === 1 && claims[0] === claim.metadata.name);

// What this Job is to be.
const shard = container.args[container.args.indexOf("--shard") + 1];
check("as many shards as completions", shard === `$(JOB_COMPLETION_INDEX)/${spec.completions}`, shard);
check("exit status 2 fails the index",
  spec.podFailurePolicy.rules.some((rule) => rule.action === "FailIndex" && rule.onExitCodes?.values.join() === "2"));
const { securityContext } = container;
check("no root, no capabilities, a root filesystem that is only read",
  pod.securityContext.runAsNonRoot && securityContext.readOnlyRootFilesystem && !securityContext.allowPrivilegeEscalation &&
  securityContext.capabilities.drop.join() === "ALL" && pod.securityContext.seccompProfile.type === "RuntimeDefault");
const modes = pod.volumes.flatMap((volume) => volume.secret?.defaultMode ?? []);
check("credentials are for the group alone", modes.join() === String(0o440), modes.join());

console.log(`kubernetes: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
