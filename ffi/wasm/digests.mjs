// node digests.mjs <module> "<backends it must have, best first>": all digests are what they are everywhere.
import { Library } from "./library.mjs";

const [path, expectedBackends] = process.argv.slice(2);
const library = new Library(path);
const FULL = 0;

const length = library.allocate(4);
library.check("hbl_conformance_workspace_len", FULL, length);
const bytes = library.view().getUint32(length, true);
const memory = library.allocate(bytes), digest = library.allocate(8), expected = library.allocate(8);

const names = [];
let wrong = 0;
for (const backend of library.backends()) {
    const name = library.text(library.call.hbl_backend_name(backend));
    names.push(name);
    for (let group = 0; library.call.hbl_conformance_name(group) !== 0; group++) {
        library.check("hbl_conformance_digest", backend, group, FULL, memory, bytes, digest, expected);
        const [is, should] = [digest, expected].map((at) => library.view().getBigUint64(at, true));
        const hex = is.toString(16).padStart(16, "0");
        console.log(`${name} ${library.text(library.call.hbl_conformance_name(group))} ${hex}${is === should ? "" : " WRONG"}`);
        wrong += is !== should;
    }
}
if (names.join(" ") !== expectedBackends) throw new Error(`backends ${names.join(" ")}, expected ${expectedBackends}`);
process.exit(wrong === 0 ? 0 : 1);
