// The main path in a real browser, from a stranger to a paying tenant: with script and without, wide and narrow.
//
//   node walk.mjs DEMO_URL

import assert from 'node:assert/strict';
import { walks } from './browser.mjs';

const [demoUrl] = process.argv.slice(2);
if (!demoUrl) {
  console.error('usage: node walk.mjs DEMO_URL');
  process.exit(2);
}

const path = (visit) => new URL(visit.page.url()).pathname;
const onPortal = (visit) => visit.page.url().startsWith(demoUrl);

async function signIn(visit, name) {
  await visit.page.goto(`${demoUrl}/demo`);
  await visit.examine('demo: who to be');
  await visit.page.getByRole('button', { name: new RegExp(name) }).click();
  await visit.page.waitForURL((url) => url.origin === new URL(demoUrl).origin && !url.pathname.startsWith('/demo'));
}

const shownPrices = async (visit) => (await visit.page.locator('.plan .price strong').allInnerTexts()).join(' | ');

/** Looks at the plans, switches to yearly, begins to subscribe, and stands on the hosted Checkout page. */
async function beginCheckout(visit, { yearly }) {
  const { page } = visit;
  await page.goto(`${demoUrl}/plans`);
  await visit.examine('plans');
  if (yearly) {
    const monthly = await shownPrices(visit);
    await page.getByRole('link', { name: /^Yearly/ }).click();
    await page.locator('.toggle a[aria-current]', { hasText: 'Yearly' }).waitFor();
    assert.notEqual(await shownPrices(visit), monthly, 'yearly prices differ from monthly ones');
    await visit.examine('plans, yearly');
  }
  await page.locator('.plan').filter({ has: page.locator('#plan-professional') }).locator('form button').click();
  await page.waitForURL((url) => url.pathname.startsWith('/c/pay/'));
  await visit.examine('Checkout');
}

async function pay(visit, number) {
  await visit.page.locator(`input[value="test-${number}"]`).check();
  for (const [field, value] of Object.entries({ name: 'Walker Ltd', line1: 'Main Street 1', postal_code: '10115', city: 'Berlin' })) {
    const input = visit.page.locator(`#${field}`);
    if ((await input.count()) && !(await input.inputValue())) await input.fill(value);
  }
  await visit.page.click('#pay');
}

/** With automatic tax the address may change the total: the page then shows the new one and asks again. */
async function payWhatIsShown(visit, number) {
  await pay(visit, number);
  await visit.page.waitForLoadState();
  if (path(visit).startsWith('/c/pay/') && /total is now/.test(await visit.page.locator('main').innerText())) {
    await pay(visit, number);
  }
}

/** The portal shows the new plan: at once, or after an honest wait that ends by itself. */
async function arrive(visit) {
  await visit.page.waitForURL((url) => url.origin === new URL(demoUrl).origin);
  await visit.page.locator('#plan', { hasText: 'Professional' }).waitFor({ timeout: 20_000 });
  await visit.examine('overview with the new plan');
}

function mainPath(person, yearly) {
  return async (visit) => {
    const { page } = visit;
    visit.forgive(402);
    visit.forgive(422);
    await signIn(visit, person);

    await beginCheckout(visit, { yearly });
    await page.click('#back');
    await page.waitForURL((url) => url.pathname.startsWith('/plans'));
    assert.ok(onPortal(visit));
    await visit.examine('plans after leaving Checkout');

    await beginCheckout(visit, { yearly });
    await payWhatIsShown(visit, '4000000000000002');
    await page.waitForSelector('#problems');
    assert.match(await page.locator('#problems').innerText(), /Your card was declined\./);
    await payWhatIsShown(visit, '4242424242424242');
    await arrive(visit);

    await page.goto(`${demoUrl}/plans`);
    await visit.examine('plans of a subscriber');
    assert.equal(await page.locator('form[action="/checkout"]').count(), 0, 'a subscriber is sold no second subscription');

    await page.goto(`${demoUrl}/invoices`);
    await visit.examine('invoices');
    await page.locator('#invoices tbody th a').first().click();
    await visit.examine('invoice');
    await page.locator('form[action$="/hosted"] button').click();
    await page.waitForSelector('#pdf');
    await visit.examine('hosted invoice');

    await page.goto(`${demoUrl}/`);
    await page.locator('form[action="/billing-portal"] button').first().click();
    await page.waitForURL((url) => url.pathname.startsWith('/p/session/'));
    await visit.examine('customer portal');
    await page.click('#back');
    await page.waitForURL((url) => url.origin === new URL(demoUrl).origin);
    await visit.examine('overview after the customer portal');
  };
}

async function strangerLooksAround(visit) {
  const { page } = visit;
  await page.goto(`${demoUrl}/plans`);
  await visit.examine('plans for a stranger');
  await page.goto(`${demoUrl}/sign-in`);
  await visit.examine('sign-in');
  visit.forgive(404);
  await page.goto(`${demoUrl}/nothing-here`);
  await visit.examine('not found');
}

await walks([
  { name: 'a stranger looks around', walk: strangerLooksAround },
  { name: 'a stranger looks around in Spanish, dark', options: { locale: 'es-ES', dark: true }, walk: strangerLooksAround },
  { name: 'from a stranger to a paying tenant, with script', walk: mainPath('Ada', true) },
  { name: 'from a stranger to a paying tenant, without script, dark', options: { script: false, dark: true }, walk: mainPath('Freya', false) },
]);
