// The page: a model that writes, and what vectors are worth, measured where it runs.
import { Program } from "./model.mjs";

const element = (id) => document.getElementById(id);
const MODULES = ["simd128", "scalar"];
const BYTES = 400;

async function load(file) {
    const response = await fetch(file);
    if (!response.ok) throw new Error(`${file}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
}

// Lets the browser draw.
const draw = () => new Promise((done) => setTimeout(done));

async function write(program) {
    const prompt = element("prompt").value;
    const bytes = [...new TextEncoder().encode(prompt)];
    const begun = performance.now();
    program.fresh();
    for (const byte of bytes) program.logits = program.read([byte]);
    const written = [];
    for (let i = 0; i < BYTES; i++) {
        written.push(program.next(Number(element("temperature").value)));
        if (i % 16 === 15) {
            const bold = document.createElement("b");
            bold.textContent = prompt;
            element("text").replaceChildren(bold, new TextDecoder().decode(new Uint8Array(written)));
            await draw();
        }
    }
    const seconds = (performance.now() - begun) / 1000;
    element("state").textContent = `${BYTES} bytes in ${seconds.toFixed(2)} s`;
}

// Tokens a second of a window, one at a time.
function tokensASecond(program) {
    let least = Infinity;
    for (let run = 0; run < 3; run++) {
        program.fresh();
        const begun = performance.now();
        for (let i = 1; i < program.window; i++) program.next(0);
        least = Math.min(least, performance.now() - begun);
    }
    return (1000 * (program.window - 1)) / least;
}

async function measure(programs) {
    const layers = [];
    const tokens = [];
    for (const program of programs) {
        program.makeLayer("paley1:20*128", 2560);
        tokens.push(tokensASecond(program));
        layers.push(program.timeLayer(7, 5));
        await draw();
    }
    const scalar = layers.at(-1);
    element("speeds").replaceChildren(
        ...programs.map((program, i) => {
            const row = document.createElement("tr");
            const { milliseconds } = layers[i];
            const times = (scalar.milliseconds / milliseconds).toFixed(1);
            const cells = [MODULES[i], tokens[i].toFixed(0), milliseconds.toFixed(3), times];
            row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
            return row;
        }),
    );
    return layers.every(({ outputs }) => outputs.every((output, i) => output === scalar.outputs[i]));
}

async function main() {
    const [model, ...modules] = await Promise.all(["model.hbl", ...MODULES.map((name) => `${name}.wasm`)].map(load));
    const programs = await Promise.all(modules.map(Program.from));
    for (const [i, program] of programs.entries()) {
        if (program.backend !== MODULES[i]) throw new Error(`${MODULES[i]}.wasm has ${program.backend}`);
        program.open(model);
    }
    element("write").onclick = () => write(programs[0]);
    element("write").disabled = false;
    await write(programs[0]);
    const equal = await measure(programs);
    element("checks").textContent = equal ? "Both give the same bits." : "They differ.";
    // For whoever drives the page.
    window.programs = programs;
    document.body.dataset.done = "yes";
}

main().catch((error) => {
    element("state").textContent = String(error);
    document.body.dataset.done = "no";
});
