// The C library as a WebAssembly module: its functions, and memory behind what the module itself uses.
import { readFileSync } from "node:fs";

export class Library {
    constructor(path) {
        const module = new WebAssembly.Module(readFileSync(path));
        this.call = new WebAssembly.Instance(module, {}).exports;
        this.free = this.call.memory.buffer.byteLength;
        this.error = this.allocate(208);
    }

    // Bytes that are nobody else's, at a multiple of 64.
    allocate(bytes) {
        const { memory } = this.call;
        const start = this.free;
        this.free += Math.ceil(bytes / 64) * 64;
        const missing = this.free - memory.buffer.byteLength;
        if (missing > 0) memory.grow(Math.ceil(missing / 65536));
        return start;
    }

    view() {
        return new DataView(this.call.memory.buffer);
    }

    text(pointer) {
        const bytes = new Uint8Array(this.call.memory.buffer, pointer);
        return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
    }

    // Calls a function whose last argument is the details of an error.
    check(name, ...args) {
        const status = this.call[name](...args, this.error);
        if (status !== 0) throw new Error(`${name}: ${this.text(this.error + 16)}`);
    }

    // The numbers of the backends, best first.
    backends() {
        const ids = this.allocate(4 * 32), count = this.allocate(4);
        this.check("hbl_backend_list", ids, 32, count);
        return Array.from({ length: this.view().getUint32(count, true) }, (_, i) => this.view().getUint32(ids + 4 * i, true));
    }
}
