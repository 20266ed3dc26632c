// The program that `page.c` is, in WebAssembly: a BitNet v2 model that writes bytes, and a layer to time.

export class Program {
    // `module` as fetched.
    static async from(module) {
        let program;
        // Of a system it is only ever asked to print what went wrong, and to end.
        const system = {
            fd_write: (file, pieces, count, written) => program.hear(pieces, count, written),
            proc_exit: () => {
                throw new Error(program.heard);
            },
            fd_close: () => 0,
            fd_seek: () => 0,
            fd_fdstat_get: () => 0,
        };
        const { instance } = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: system });
        program = new Program(instance.exports);
        instance.exports._initialize();
        return program;
    }

    constructor(call) {
        this.call = call;
        this.heard = "";
    }

    get backend() {
        return this.text(this.call.best());
    }

    open(container) {
        this.window = this.call.open(this.put(container), container.length);
        this.tokens = this.call.allocate(this.window);
        this.fresh();
    }

    // A text begins with a token 0.
    fresh() {
        this.call.restart();
        this.history = [];
        this.logits = this.read([0]);
    }

    // The logits behind these tokens, the last of which is read last. A full window begins anew with its latter half.
    read(tokens) {
        if (this.history.length + tokens.length > this.window) {
            tokens = [0, ...this.history.slice(-this.window / 2), ...tokens];
            this.call.restart();
            this.history = [];
        }
        this.history.push(...tokens);
        this.bytes(this.tokens, tokens.length).set(tokens);
        return this.floats(this.call.read(this.tokens, tokens.length), 256);
    }

    // One more byte: the likeliest at temperature 0.
    next(temperature) {
        const byte = sample(this.logits, temperature);
        this.logits = this.read([byte]);
        return byte;
    }

    // Nats a byte of a text that is cut into windows, each of which begins with a token 0.
    nats(text) {
        let sum = 0;
        for (let start = 0; start < text.length; start += this.window) {
            const piece = text.subarray(start, start + this.window);
            this.call.restart();
            this.history = [];
            this.read([0, ...piece.subarray(0, -1)]);
            piece.forEach((byte, i) => {
                sum -= logarithm(this.floats(this.call.logits(i), 256), byte);
            });
        }
        this.fresh();
        return sum / text.length;
    }

    makeLayer(transform, size) {
        this.call.make_layer(this.put(new TextEncoder().encode(`${transform}\0`)), size);
        this.size = size;
    }

    // Milliseconds that the layer takes on one token, the least of several runs; and its outputs.
    timeLayer(runs, each) {
        let least = Infinity;
        for (let run = 0; run < runs; run++) {
            const start = performance.now();
            this.call.run_layer(0xffffffff, each);
            least = Math.min(least, (performance.now() - start) / each);
        }
        return { milliseconds: least, outputs: this.floats(this.call.run_layer(0xffffffff, 1), this.size).slice() };
    }

    // --- the program's memory ---

    bytes(at, length) {
        return new Uint8Array(this.call.memory.buffer, at, length);
    }

    floats(at, length) {
        return new Float32Array(this.call.memory.buffer, at, length);
    }

    put(bytes) {
        const at = this.call.allocate(bytes.length);
        this.bytes(at, bytes.length).set(bytes);
        return at;
    }

    text(at) {
        const bytes = new Uint8Array(this.call.memory.buffer, at);
        return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
    }

    hear(pieces, count, written) {
        const view = new DataView(this.call.memory.buffer);
        let total = 0;
        for (let i = 0; i < count; i++) {
            const [at, length] = [0, 4].map((part) => view.getUint32(pieces + 8 * i + part, true));
            this.heard += new TextDecoder().decode(this.bytes(at, length));
            total += length;
        }
        view.setUint32(written, total, true);
        return 0;
    }
}

function sample(logits, temperature) {
    if (temperature === 0) return logits.indexOf(Math.max(...logits));
    const most = Math.max(...logits);
    const weights = Array.from(logits, (logit) => Math.exp((logit - most) / temperature));
    let left = Math.random() * weights.reduce((sum, weight) => sum + weight);
    return Math.max(0, weights.findIndex((weight) => (left -= weight) < 0));
}

// Of the probability of one byte.
function logarithm(logits, byte) {
    const most = Math.max(...logits);
    return logits[byte] - most - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
}
