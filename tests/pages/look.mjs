// Opens each page in headless Chromium, as a desktop and as a phone, in light, in dark and on paper, and measures it.
// A page fails where axe finds a violation, where it is wider than a phone, where it asks for anything, or where the
// browser complains. What was seen lies beside it as pictures.
//
//     node look.mjs BROWSER OUT PAGE...
//
// A page is a file, or the address of a server.
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [browserPath, out, ...pages] = process.argv.slice(2);
const addressOf = (page) => (/^https?:/.test(page) ? page : pathToFileURL(path.resolve(page)).href);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const VIEWS = [
  { name: "desktop-light", width: 1280, height: 900, scheme: "light" },
  { name: "desktop-dark", width: 1280, height: 900, scheme: "dark" },
  { name: "phone-light", width: 360, height: 780, scheme: "light" },
  { name: "phone-dark", width: 360, height: 780, scheme: "dark" },
  { name: "print", width: 794, height: 1123, scheme: "light", media: "print" },
];
// The browser is to look for nothing of its own while it looks at a page.
const QUIET = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const wrong = [];
await mkdir(out, { recursive: true });
const browser = await chromium.launch({ executablePath: browserPath, args: QUIET });
for (const file of pages) {
  const address = addressOf(file);
  const name = address === file ? "daemon" : path.basename(file, ".html");
  for (const view of VIEWS) {
    const where = `${name}, ${view.name}`;
    // The page's own policy forbids every script, and this one as well: the rules are run past it.
    const context = await browser.newContext({
      viewport: { width: view.width, height: view.height },
      colorScheme: view.scheme,
      deviceScaleFactor: 1,
      bypassCSP: true,
    });
    const page = await context.newPage();
    page.on("console", (message) => wrong.push(`${where}: the browser says: ${message.text()}`));
    page.on("pageerror", (error) => wrong.push(`${where}: ${error.message}`));
    page.on("request", (request) => {
      if (request.url() !== address) wrong.push(`${where}: it asks for ${request.url()}`);
    });
    await page.emulateMedia({ media: view.media ?? "screen", colorScheme: view.scheme });
    await page.goto(address);
    await page.screenshot({ path: path.join(out, `${name}-${view.name}.png`), fullPage: true });
    const widest = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (widest > 0) wrong.push(`${where}: it is ${widest} pixels wider than the screen`);
    if (view.media === "print") {
      await page.pdf({ path: path.join(out, `${name}.pdf`), format: "A4", printBackground: true });
    } else {
      // Once as it opens, and once with everything that can be unfolded.
      for (const unfolded of [false, true]) {
        await page.evaluate((open) => document.querySelectorAll("details").forEach((one) => (one.open = open)), unfolded);
        await page.addScriptTag({ path: axe });
        const found = await page.evaluate((tags) => axe.run(document, { runOnly: { type: "tag", values: tags } }), RULES);
        for (const rule of found.violations) {
          for (const node of rule.nodes.slice(0, 3)) {
            wrong.push(`${where}: ${rule.id} (${rule.impact}): ${node.target.join(" ")}: ${node.failureSummary}`);
          }
        }
        if (found.passes.length < 15) wrong.push(`${where}: only ${found.passes.length} rules were applied`);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wider > 0) wrong.push(`${where}: unfolded, it is ${wider} pixels wider than the screen`);
      }
    }
    await context.close();
  }
}

// And once as a reader has it, with its policy in force.
const context = await browser.newContext();
const page = await context.newPage();
for (const file of pages) {
  page.once("console", (message) => wrong.push(`${file}: with its policy, the browser says: ${message.text()}`));
  await page.goto(addressOf(file));
  if ((await page.locator("h1").count()) !== 1) wrong.push(`${file}: it has no heading`);
  const font = await page.evaluate(() => getComputedStyle(document.querySelector("h1")).fontWeight);
  if (font !== "650") wrong.push(`${file}: its style is not in force`);
}
await browser.close();

for (const line of wrong) console.error(line);
console.log(`${pages.length} pages, ${VIEWS.length} views of each: ${wrong.length} faults; pictures in ${out}`);
process.exit(wrong.length === 0 ? 0 : 1);
