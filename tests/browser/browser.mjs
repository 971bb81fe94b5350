// What the walks share: one Chromium, pages that are examined wherever a walk stops, and a failure that leaves a picture.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PICTURES = process.env.PICTURES ?? join(tmpdir(), 'billing-portal-pictures');
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The width at which WCAG wants pages to reflow. */
const NARROW = 320;

/** Opens a browser, walks, closes it; the first failed walk ends the program. */
export async function walks(list) {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  try {
    for (const { name, options, walk } of list) {
      const started = Date.now();
      const visit = await Visit.begin(browser, options);
      try {
        await walk(visit);
        visit.assertQuiet();
        console.log(`ok    ${name} (${visit.examined} pages examined, ${Date.now() - started} ms)`);
      } catch (error) {
        await visit.picture(`failed ${name}`);
        console.error(`FAIL  ${name}\n${error?.stack ?? error}\nat ${visit.page.url()}\n${visit.noise.join('\n')}`);
        process.exitCode = 1;
        return;
      } finally {
        await visit.end();
      }
    }
  } finally {
    await browser.close();
  }
}

/** One visitor: a fresh context, with everything the browser complains about. */
export class Visit {
  static async begin(browser, { script = true, dark = false, locale = 'en-US', width = 1200 } = {}) {
    const visit = new Visit();
    visit.script = script;
    visit.width = width;
    visit.examined = 0;
    visit.noise = [];
    visit.forgiven = [];
    visit.context = await browser.newContext({
      javaScriptEnabled: script, locale, colorScheme: dark ? 'dark' : 'light', viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    });
    visit.page = await visit.context.newPage();
    visit.page.setDefaultTimeout(15_000);
    visit.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) visit.noise.push(`console ${message.type()}: ${message.text()}`);
    });
    visit.page.on('pageerror', (error) => visit.noise.push(`script error: ${error.message}`));
    visit.page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText;
      // A page that is left while something of it is still loading.
      if (reason !== 'net::ERR_ABORTED') visit.noise.push(`request failed: ${request.url()} ${reason}`);
    });
    visit.page.on('response', (response) => {
      if (response.status() >= 500) visit.noise.push(`${response.status()}: ${response.url()}`);
    });
    return visit;
  }

  /** Answers of 4xx that a walk provokes are reported by the browser as errors: name their status beforehand. */
  forgive(status) {
    this.forgiven.push(`status of ${status}`);
  }

  /** Chromium reports policy violations, failed loads and script errors on the console. */
  assertQuiet() {
    const loud = this.noise.filter((line) => !this.forgiven.some((part) => line.includes(part)));
    assert.deepEqual(loud, [], 'the browser complained');
  }

  /** Examines the page as it stands: accessibility, reflow, one main heading, a language, a title. */
  async examine(what) {
    const { page } = this;
    this.examined += 1;
    assert.equal(await page.locator('h1').count(), 1, `${what}: one main heading`);
    assert.ok(await page.locator('html').getAttribute('lang'), `${what}: a language`);
    assert.ok((await page.title()).trim(), `${what}: a title`);
    await this.assertReflows(what);
    if (!this.script) return;
    const { violations } = await new AxeBuilder({ page }).withTags(AXE_TAGS).analyze();
    const found = violations.map(({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes.map(({ target, failureSummary }) => `  ${target} ${failureSummary}`).join('\n')}`);
    assert.deepEqual(found, [], `${what}: axe findings`);
  }

  async assertReflows(what) {
    const { page } = this;
    await page.setViewportSize({ width: NARROW, height: 900 });
    // Works without the page's own script, too: the protocol measures the layout.
    const session = await this.context.newCDPSession(page);
    const { cssContentSize } = await session.send('Page.getLayoutMetrics');
    await session.detach();
    await page.setViewportSize({ width: this.width, height: 900 });
    assert.ok(cssContentSize.width <= NARROW, `${what}: ${cssContentSize.width} px wide at ${NARROW} px`);
  }

  async picture(name) {
    await mkdir(PICTURES, { recursive: true });
    const path = join(PICTURES, `${name.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}.png`);
    await this.page.screenshot({ path, fullPage: true }).catch(() => {});
    console.log(`      picture: ${path}`);
  }

  async end() {
    await this.context.close();
  }
}

/** Asks until the answer is truthy. */
export async function until(what, ask, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
