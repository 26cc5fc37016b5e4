// Judges Sigstore bundles with npm's @sigstore/bundle and @sigstore/verify, for `.ci/attest`, which runs this where they are.
//
// Standard input has a JSON object a line: `key`, the file of a public key, and `bundle`, the file of a bundle. Standard output
// has one a line: `accepted`, and then `statement`, the hex of the bytes that were signed, else `reason`. The key is found by
// the bundle's hint, as these packages have it, and no log and no timestamp are looked for.
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { bundleFromJSON } from "@sigstore/bundle";
import { Verifier, toSignedEntity, toTrustMaterial } from "@sigstore/verify";

const noRoot = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const noThresholds = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };

function judge({ key, bundle: file }) {
  const spki = createPublicKey(readFileSync(key)).export({ type: "spki", format: "der" });
  const hint = createHash("sha256").update(spki).digest("base64");
  const bundle = bundleFromJSON(JSON.parse(readFileSync(file, "utf8")));
  const trust = toTrustMaterial(noRoot, { [hint]: { rawBytes: spki } });
  new Verifier(trust, noThresholds).verify(toSignedEntity(bundle));
  return { accepted: true, statement: Buffer.from(bundle.content.dsseEnvelope.payload).toString("hex") };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = judge(JSON.parse(line));
  } catch (error) {
    answer = { accepted: false, reason: `${error.code ?? error.name}: ${error.message}` };
  }
  console.log(JSON.stringify(answer));
}
