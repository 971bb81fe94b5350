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

/** Links that a walk has followed: the newest mail may still be the one before. */
const followed = new Set();

/** The path of the link in the newest mail of a kind, as staff read it in the demo's outbox. */
async function mailedLink(visit, kind, form) {
  const { page } = visit;
  await signIn(visit, 'Sam');
  const deadline = Date.now() + 15_000;
  for (;;) {
    await page.goto(`${demoUrl}/staff/mails?kind=${kind}`);
    const mail = page.locator('tbody a').first();
    if (await mail.count()) {
      await mail.click();
      await page.waitForLoadState();
      const link = (await page.locator('main').innerText()).match(form);
      if (link && !followed.has(link[0])) {
        followed.add(link[0]);
        return link[0];
      }
    }
    assert.ok(Date.now() < deadline, `no mail of the kind ${kind}`);
    await page.waitForTimeout(200);
  }
}

async function signOut(visit) {
  await visit.page.goto(`${demoUrl}/account`);
  await visit.page.locator('form[action="/sign-out"]').evaluate((form) => { form.closest('details').open = true; });
  await visit.page.locator('form[action="/sign-out"] button').click();
  await visit.page.waitForURL((url) => url.pathname === '/sign-in');
}

/** An owner invites somebody, who joins, forgets the password, and comes back by a link: pages whose address is a secret. */
function peopleCome(guest) {
  return async (visit) => {
    const { page } = visit;
    visit.forgive(410);
    visit.forgive(422);
    await signIn(visit, 'Gita');
    await page.goto(`${demoUrl}/members`);
    await visit.examine('members');
    await page.fill('#email', 'gita@ginkgo.example');
    await page.locator('form[action="/members"] button').click();
    await page.waitForSelector('#error-summary');
    await visit.examine('members, a refused invitation');
    await page.fill('#email', guest);
    await page.locator('form[action="/members"] button').click();
    await page.getByRole('rowheader', { name: guest }).waitFor();
    await visit.examine('members with an invitation');
    await page.goto(`${demoUrl}/settings`);
    await visit.examine('company settings');
    await page.goto(`${demoUrl}/account`);
    await visit.examine('account');
    await page.goto(`${demoUrl}/account/password`);
    await visit.examine('account, no password yet');

    const invitation = await mailedLink(visit, 'invitation', /\/invitations\/[0-9a-z]{26}/);
    await page.goto(`${demoUrl}${invitation}`);
    await visit.examine('invitation for somebody else');
    await signOut(visit);
    await page.goto(`${demoUrl}${invitation}`);
    await visit.examine('invitation');
    await page.fill('#name', 'Guest Walker');
    await page.fill('#password', 'password1');
    await page.locator('main form button').click();
    await page.waitForSelector('#error-summary');
    await visit.examine('invitation, a refused password');
    await page.fill('#password', 'three blind mice ran');
    await page.locator('main form button').click();
    await page.waitForURL((url) => url.pathname === '/');
    await page.goto(`${demoUrl}/account/password`);
    await visit.examine('change of the password');
    await signOut(visit);

    for (const [ask, kind, form] of [
      ['/password', 'password_reset', /\/password\/[0-9a-z]{26}/],
      ['/sign-in/link', 'sign_in_link', /\/sign-in\/link\/[0-9a-z]{26}/],
    ]) {
      await page.goto(`${demoUrl}${ask}`);
      await visit.examine(`asking for a link: ${ask}`);
      await page.fill('#email', guest);
      await page.locator('main form button').click();
      await page.waitForURL((url) => url.pathname === '/sign-in');
      await visit.examine('a link is on its way');
      const link = await mailedLink(visit, kind, form);
      if (kind === 'password_reset') await signOut(visit);
      await page.goto(`${demoUrl}${link}`);
      await visit.examine(`the page of a link: ${ask}`);
      if (kind === 'password_reset') await page.fill('#password', 'and then they ran away');
      await page.locator('main form button').click();
      await page.waitForURL((url) => url.pathname === (kind === 'password_reset' ? '/sign-in' : '/'));
      await page.goto(`${demoUrl}${link}`);
      await visit.examine('a link that is over');
    }
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

/** What stands on the invoices: mistakes are named, Stripe's refusal stands at its field, what is right is kept. */
async function billingDetails(visit) {
  const { page } = visit;
  visit.forgive(422);
  await signIn(visit, 'Bruno');
  await page.goto(`${demoUrl}/billing-details`);
  await visit.examine('billing details');
  const form = page.locator('form[action="/billing-details"]');
  await form.evaluate((it) => { it.noValidate = true; });
  await page.fill('#email', 'nobody');
  await page.selectOption('#country', '');
  await form.locator('button').click();
  await page.waitForSelector('#error-summary');
  await visit.examine('billing details with mistakes');
  await page.locator('#error-summary a', { hasText: 'country' }).click();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'country', 'the summary leads to the field');
  await page.fill('#email', 'bills@birch.example');
  await page.selectOption('#country', 'AT');
  await form.locator('button').click();
  await page.waitForSelector('text=Your billing details are saved.');

  const taxIds = page.locator('form[action="/billing-details/tax-ids"]');
  await page.selectOption('#kind', 'eu_vat');
  await page.fill('#value', '12345678');
  await taxIds.locator('button').click();
  await page.waitForSelector('#value-error');
  await visit.examine('a tax id that Stripe refuses');
  await page.fill('#value', 'ATU12345678');
  await taxIds.locator('button').click();
  await page.waitForSelector('text=The tax id is added.');
  await visit.examine('billing details with a tax id');
  await page.getByRole('button', { name: /Remove ATU12345678/ }).click();
  await page.waitForSelector('text=The tax id is removed.');
}

/** A change whose payment fails leaves the old plan in force; it is paid on Stripe's page, where the bank asks for a word. */
async function changesOfPlan(visit) {
  const { page } = visit;
  await signIn(visit, 'Bruno');
  await page.getByRole('button', { name: 'Let my card fail' }).click();
  await page.waitForSelector('text=Your card will be declined from now on.');
  await page.goto(`${demoUrl}/plans`);
  const enterprise = page.locator('.plan').filter({ has: page.locator('#plan-enterprise') });
  await enterprise.locator('form button').click();
  await page.waitForSelector('text=Due today');
  await visit.examine('review of a change');
  await page.getByRole('button', { name: 'Confirm the change' }).click();
  await page.waitForSelector('text=A change of your plan waits for its payment');
  assert.match(await page.locator('#plan').innerText(), /Professional/, 'the old plan is in force');
  await visit.examine('overview while a change waits for its payment');
  await page.getByRole('button', { name: 'Pay now' }).first().click();
  await page.waitForSelector('#pay');
  await page.locator('input[value="test-4000002500003155"]').check();
  await page.click('#pay');
  await page.click('#complete');
  await page.waitForSelector('text=Thank you: the invoice is paid.');
  await page.goto(`${demoUrl}/`);
  await page.getByRole('button', { name: 'Let my card pay' }).click();
  await page.waitForSelector('text=Your card will pay from now on.');
  await page.reload();
  await page.locator('#plan', { hasText: 'Enterprise' }).waitFor({ timeout: 20_000 });

  await page.goto(`${demoUrl}/plans`);
  await page.locator('.plan').filter({ has: page.locator('#plan-starter') }).locator('form button').click();
  await page.waitForSelector('text=Takes effect on');
  await visit.examine('review of a smaller plan');
  await page.getByRole('button', { name: 'Confirm the change' }).click();
  await page.waitForSelector('text=planned for the end of the period');
  await visit.examine('overview with a planned change');
  await page.getByRole('button', { name: 'Undo this change' }).click();
  await page.waitForSelector('text=The planned change is undone.');

  await page.getByRole('link', { name: 'Cancel', exact: true }).click();
  await visit.examine('cancellation');
  await page.getByLabel('I do not use it enough').check();
  await page.getByRole('button', { name: 'Cancel the subscription' }).click();
  await page.waitForSelector('text=Ends soon');
  await visit.examine('overview of a subscription that ends');
  await page.getByRole('button', { name: 'Resume the subscription' }).click();
  await page.waitForSelector('text=Your subscription goes on.');
}

/** Companies whose state the demo has prepared. */
async function preparedStates(visit) {
  const { page } = visit;
  await signIn(visit, 'Hugo');
  await page.goto(`${demoUrl}/`);
  await visit.examine('a downgrade is planned');
  assert.match(await page.locator('main').innerText(), /Starter/);
  await signIn(visit, 'Irene');
  await page.goto(`${demoUrl}/`);
  await visit.examine('read only');
  await page.goto(`${demoUrl}/billing-details`);
  await visit.examine('billing details, in Spanish');
}

/** The staff: every page of theirs, one tenant, and the portal as one of its members sees it. */
async function staffAtWork(visit) {
  const { page } = visit;
  await signIn(visit, 'Sam');
  assert.equal(path(visit), '/staff');
  const pages = await page.locator('.staff-nav a').evaluateAll((links) => links.map((link) => link.pathname));
  for (const to of pages) {
    await page.goto(`${demoUrl}${to}`);
    await visit.examine(`staff: ${to}`);
  }
  await staffLooksAtWhatDrifted(visit);
  await page.goto(`${demoUrl}/staff/tenants?q=birch`);
  await visit.examine('staff: tenants found');
  await page.locator('#tenants tbody th a').first().click();
  await visit.examine('staff: tenant');
  const tenant = page.url();
  await page.goto(`${tenant}/timeline`);
  await visit.examine('staff: timeline');
  await page.goto(tenant);
  await page.fill('#reason', 'A look around');
  await page.locator('form[action$="/behalf"] button').click();
  await page.waitForURL((url) => url.pathname === '/');
  await visit.examine('overview on behalf of a member');
  await page.locator('.acting a.button').click();
  await visit.examine('options of acting on behalf');
  await page.locator('.acting form button').click();
  await page.waitForURL((url) => url.pathname.startsWith('/staff/tenants/'));
  assert.equal(await page.locator('.acting').count(), 0);
}

/** The demo holds itself against Stripe when it has begun: the run, a finding with its repair, the report that rests on it. */
async function staffLooksAtWhatDrifted(visit) {
  const { page } = visit;
  await page.goto(`${demoUrl}/staff/reconciliation`);
  await page.locator('table tbody th a').first().click();
  await page.waitForURL((url) => url.pathname.startsWith('/staff/reconciliation/'));
  const finding = page.locator('a[href^="/staff/reconciliation/findings/"]').first();
  // As long as the run goes on the page looks again by itself.
  await finding.waitFor({ timeout: 60_000 });
  await visit.examine('staff: a run with findings');
  await finding.click();
  await page.waitForURL((url) => url.pathname.startsWith('/staff/reconciliation/findings/'));
  await visit.examine('staff: a finding');
  const report = page.locator('a[href$="/report.json"]');
  for (let again = 0; again < 60; again += 1) {
    await page.goto(`${demoUrl}/staff/validation`);
    if ((await report.count()) > 0) break;
    await page.waitForTimeout(1_000);
  }
  assert.ok((await report.count()) > 0, 'the run ends with a validation report');
  const coverage = page.locator('main tr', { hasText: 'Audit coverage' });
  assert.match(await coverage.innerText(), /Good\s+100/, 'all that the demo did is in the audit');
  await visit.examine('staff: a validation report');
}

/** What staff see of Stripe's events: the inbox, a filter, one event, the replay of it. */
async function staffLooksAtEvents(visit) {
  const { page } = visit;
  await signIn(visit, 'Sam');
  await page.goto(`${demoUrl}/staff/events`);
  await visit.examine('events');
  await page.locator('#type').fill('customer.created');
  await page.locator('form[role="search"] button').click();
  await page.waitForURL((url) => url.searchParams.get('type') === 'customer.created');
  await visit.examine('events of a type');
  await page.locator('#events tbody th a').first().click();
  await visit.examine('event');
  await page.locator('form[action$="/replay"] button').click();
  await page.locator('.banner[role="status"]').waitFor();
  await visit.examine('event, replayed');
  await page.goto(`${demoUrl}/staff/events?type=no.such.type`);
  await visit.examine('events, none');
}

await walks([
  { name: 'a stranger looks around', walk: strangerLooksAround },
  { name: 'a stranger looks around in Spanish, dark', options: { locale: 'es-ES', dark: true }, walk: strangerLooksAround },
  { name: 'staff at work', walk: staffAtWork },
  { name: 'from a stranger to a paying tenant, with script', walk: mainPath('Ada', true) },
  { name: 'from a stranger to a paying tenant, without script, dark', options: { script: false, dark: true }, walk: mainPath('Freya', false) },
  { name: 'billing details', walk: billingDetails },
  { name: 'changes of plan, a payment that fails, and the way out and back', walk: changesOfPlan },
  { name: 'states that the demo has prepared, dark', options: { dark: true }, walk: preparedStates },
  { name: 'staff looks at events', walk: staffLooksAtEvents },
  { name: 'staff looks at events in Spanish, dark, without script', options: { locale: 'es-ES', dark: true, script: false }, walk: staffLooksAtEvents },
  { name: 'people are invited, forget and come back, with script', walk: peopleCome('walker@ginkgo.example') },
  { name: 'people are invited, forget and come back, without script, dark', options: { script: false, dark: true }, walk: peopleCome('runner@ginkgo.example') },
]);
