// See `try`.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import puppeteer from "puppeteer-core";

const [folder, textFile, expected, screenshot] = process.argv.slice(2);
const types = { ".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const server = createServer((request, response) => {
    const file = request.url === "/" ? "/index.html" : request.url;
    try {
        const bytes = readFileSync(join(folder, file));
        response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(bytes);
    } catch {
        response.writeHead(404).end();
    }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
let failure;
try {
    const page = await browser.newPage();
    await page.setViewport({ width: 820, height: 660 });
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForSelector("body[data-done]", { timeout: 120_000 });
    const text = await page.evaluate(() => document.body.innerText);
    console.log(`${await browser.version()}\n${text}`);
    if (!text.includes("Both give the same bits.")) throw new Error("the page says otherwise");
    const bytes = [...readFileSync(textFile)];
    const nats = await page.evaluate((bytes) => window.programs.map((program) => program.nats(new Uint8Array(bytes))), bytes);
    console.log(`${bytes.length} bytes, nats a byte: ${nats.map((each) => each.toFixed(5)).join(", ")}; expected ${expected}`);
    if (nats.some((each) => each.toFixed(5) !== expected)) throw new Error("other digits than outside of a browser");
    if (screenshot) await page.screenshot({ path: screenshot });
} catch (error) {
    failure = error;
}
await browser.close();
server.close();
if (failure) throw failure;
