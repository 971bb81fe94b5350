// The sandbox's hosted pages in a real browser: Checkout, the bank, invoices, the customer portal.
//
//   node hosted.mjs SANDBOX_URL

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { walks } from './browser.mjs';

const [sandboxUrl] = process.argv.slice(2);
if (!sandboxUrl) {
  console.error('usage: node hosted.mjs SANDBOX_URL');
  process.exit(2);
}

/** The seller's site: says where the visitor arrived. On another origin than the sandbox, as a seller's is. */
const seller = createServer((request, response) => {
  const headers = { 'content-type': 'text/html; charset=utf-8' };
  if (request.url === '/favicon.ico') return response.writeHead(204).end();
  return response.writeHead(200, headers).end('<!doctype html><html lang="en"><title>Seller</title><h1>Seller</h1>');
});
await new Promise((resolve) => seller.listen(0, '127.0.0.1', resolve));
const sellerUrl = `http://127.0.0.1:${seller.address().port}`;

async function api(method, path, form = {}) {
  const body = new URLSearchParams();
  const add = (prefix, value) => {
    if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) add(prefix ? `${prefix}[${key}]` : key, inner);
    } else body.append(prefix, String(value));
  };
  add('', form);
  const address = method === 'GET' ? `${sandboxUrl}${path}?${body}` : `${sandboxUrl}${path}`;
  const headers = { authorization: 'Bearer sk_test_browser' };
  if (method !== 'GET') headers['content-type'] = 'application/x-www-form-urlencoded';
  const answer = await fetch(address, { method, headers, body: method === 'GET' ? undefined : body.toString() });
  const json = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${JSON.stringify(json)}`);
  return json;
}

const unique = Date.now();
const catalogue = await (async () => {
  const plan = async (name, amount) => {
    const { id: product } = await api('POST', '/v1/products', { name });
    const price = (interval, unit_amount) =>
      api('POST', '/v1/prices', { product, currency: 'eur', unit_amount, recurring: { interval } });
    return { product, month: await price('month', amount), year: await price('year', amount * 10) };
  };
  const starter = await plan('Starter', 2900);
  const professional = await plan('Professional', 9900);
  const coupon = await api('POST', '/v1/coupons', { percent_off: 50, duration: 'once' });
  const code = `HALF${unique}`;
  await api('POST', '/v1/promotion_codes', { code, promotion: { type: 'coupon', coupon: coupon.id } });
  return { starter, professional, code };
})();

const configuration = await api('POST', '/v1/billing_portal/configurations', {
  business_profile: { headline: 'Billing' },
  features: {
    customer_update: { enabled: true, allowed_updates: { 0: 'name', 1: 'email', 2: 'address', 3: 'tax_id' } },
    invoice_history: { enabled: true },
    payment_method_update: { enabled: true },
    subscription_cancel: {
      enabled: true, mode: 'at_period_end',
      cancellation_reason: { enabled: true, options: { 0: 'too_expensive', 1: 'unused', 2: 'other' } },
    },
    subscription_update: {
      enabled: true, default_allowed_updates: { 0: 'price', 1: 'quantity' }, proration_behavior: 'always_invoice',
      products: {
        0: { product: catalogue.starter.product, prices: { 0: catalogue.starter.month.id, 1: catalogue.starter.year.id } },
        1: { product: catalogue.professional.product, prices: { 0: catalogue.professional.month.id } },
      },
    },
  },
});

async function checkout(form = {}) {
  const customer = await api('POST', '/v1/customers', { name: 'Åke & Söner', email: `walk-${unique}@example.com` });
  const session = await api('POST', '/v1/checkout/sessions', {
    mode: 'subscription', customer: customer.id,
    line_items: { 0: { price: catalogue.professional.month.id, quantity: 2 } },
    success_url: `${sellerUrl}/done?session={CHECKOUT_SESSION_ID}`, cancel_url: `${sellerUrl}/pricing`,
    allow_promotion_codes: true, ...form,
  });
  return { customer, session };
}

async function subscriber() {
  const { id } = await api('POST', '/v1/customers', { name: 'Subscriber', email: 'subscriber@example.com' });
  const card = await api('POST', '/v1/payment_methods/pm_card_visa/attach', { customer: id });
  await api('POST', `/v1/customers/${id}`, { invoice_settings: { default_payment_method: card.id } });
  const items = { 0: { price: catalogue.starter.month.id, quantity: 1 } };
  const subscription = await api('POST', '/v1/subscriptions', { customer: id, items });
  return { customer: id, subscription };
}

const portal = (customer, form = {}) =>
  api('POST', '/v1/billing_portal/sessions', {
    customer, configuration: configuration.id, return_url: `${sellerUrl}/back`, ...form,
  });

async function choose(visit, number) {
  await visit.page.locator(`input[value="test-${number}"]`).check();
}

async function paysWithCheckout(visit) {
  const { page } = visit;
  const { customer, session } = await checkout();
  await page.goto(session.url);
  await visit.examine('Checkout');
  assert.match(await page.locator('#totals').innerText(), /€198\.00/);

  visit.forgive(422);
  await page.fill('#number', '4242 4242 4242 4241');
  await page.click('#pay');
  await page.waitForSelector('#problems');
  await visit.examine('Checkout with mistakes');
  assert.match(await page.title(), /^Error:/);
  assert.equal(await page.locator('#number').getAttribute('aria-invalid'), 'true');

  visit.forgive(402);
  await choose(visit, '4000000000000002');
  await page.click('#pay');
  await page.waitForSelector('#problems');
  assert.match(await page.locator('#problems').innerText(), /Your card was declined\./);
  await visit.examine('Checkout after a decline');

  await page.fill('#code', 'NOPE');
  await page.click('#promotion button');
  await page.waitForSelector('#code-wrong');
  await page.fill('#code', catalogue.code);
  await page.click('#promotion button');
  await page.waitForSelector('text=50 % off');
  assert.match(await page.locator('#totals').innerText(), /€99\.00/);
  await visit.examine('Checkout with a promotion code');

  await page.locator('input[value="typed"]').check();
  await page.fill('#number', '4242 4242 4242 4242');
  await page.fill('#expiry', '12 / 34');
  await page.fill('#cvc', '123');
  await page.fill('#holder', 'Åke');
  if (await page.locator('#country').count()) await page.selectOption('#country', 'DE');
  if (await page.locator('#postal_code').count()) await page.fill('#postal_code', '10115');
  await page.click('#pay');
  await page.waitForURL(`${sellerUrl}/done?session=${session.id}`);
  const done = await api('GET', `/v1/checkout/sessions/${session.id}`);
  assert.deepEqual([done.status, done.payment_status, done.amount_total], ['complete', 'paid', 9900]);
  const { data } = await api('GET', '/v1/subscriptions', { customer: customer.id });
  assert.equal(data[0].status, 'active');

  await page.goto(session.url);
  await visit.examine('Checkout that is complete');
  await page.click('#onward');
  await page.waitForURL(`${sellerUrl}/done?session=${session.id}`);
}

async function goesBackFromCheckout(visit) {
  const { session } = await checkout({ locale: 'es' });
  await visit.page.goto(session.url);
  assert.equal(await visit.page.locator('html').getAttribute('lang'), 'es');
  await visit.examine('Checkout in Spanish');
  await visit.page.click('#back');
  await visit.page.waitForURL(`${sellerUrl}/pricing`);
  assert.equal((await api('GET', `/v1/checkout/sessions/${session.id}`)).status, 'open');
  await api('POST', `/v1/checkout/sessions/${session.id}/expire`);
  visit.forgive(410);
  await visit.page.goto(session.url);
  await visit.examine('Checkout that has expired');
}

async function authenticates(visit) {
  const { page } = visit;
  const { session } = await checkout({ subscription_data: { trial_period_days: 14 } });
  await page.goto(session.url);
  await visit.examine('Checkout with a trial');
  visit.forgive(422);
  visit.forgive(402);
  for (const ending of ['#fail', '#complete']) {
    await choose(visit, '4000002500003155');
    await page.click('#pay');
    await page.waitForSelector('#complete');
    await visit.examine('the bank');
    await page.click(ending);
    if (ending === '#fail') {
      await page.waitForSelector('#problems');
      assert.equal((await api('GET', `/v1/checkout/sessions/${session.id}`)).status, 'open');
    }
  }
  await page.waitForURL(`${sellerUrl}/done?session=${session.id}`);
  assert.equal((await api('GET', `/v1/checkout/sessions/${session.id}`)).payment_status, 'no_payment_required');
}

async function usesThePortal(visit) {
  const { page } = visit;
  const { customer, subscription } = await subscriber();
  await page.goto((await portal(customer)).url);
  await visit.examine('portal');

  await page.click('text=Add a payment method');
  await visit.examine('portal: new card');
  await choose(visit, '5555555555554444');
  await page.click('#save');
  await page.waitForSelector('text=The card was added.');
  await visit.examine('portal with two cards');
  await page.getByRole('button', { name: /Remove Visa/ }).click();
  await page.waitForSelector('text=The card was removed.');

  await page.click('text=Edit billing information');
  await visit.examine('portal: billing information');
  await page.fill('#name', 'Renamed Ltd');
  await page.selectOption('#country', 'ES');
  await page.click('#save');
  await page.waitForSelector('text=Renamed Ltd');

  await page.click('text=Change plan');
  await visit.examine('portal: plans');
  await page.locator(`input[value="${catalogue.professional.month.id}"]`).check();
  await page.click('#continue');
  await visit.examine('portal: confirmation');
  await page.click('#confirm');
  await page.waitForSelector('text=The plan was changed.');
  const changed = await api('GET', `/v1/subscriptions/${subscription.id}`);
  assert.equal(changed.items.data[0].price.id, catalogue.professional.month.id);

  await page.getByRole('link', { name: /View invoice/ }).first().click();
  await page.waitForSelector('#pdf');
  await visit.examine('invoice');
  await page.goBack();

  await page.click('text=Cancel subscription');
  await visit.examine('portal: cancellation');
  await page.getByLabel('It’s too expensive').check();
  await page.click('#cancel');
  await page.waitForSelector('text=Don’t cancel');
  const ending = await api('GET', `/v1/subscriptions/${subscription.id}`);
  assert.equal(ending.cancellation_details.feedback, 'too_expensive');
  await visit.examine('portal with an ending subscription');
  await page.click('text=Don’t cancel');
  await page.waitForSelector('text=The subscription goes on.');
  await page.click('#back');
  await page.waitForURL(`${sellerUrl}/back`);
}

async function followsDeepLinks(visit) {
  const { page } = visit;
  const { customer, subscription } = await subscriber();
  const after_completion = { type: 'redirect', redirect: { return_url: `${sellerUrl}/after` } };
  await page.goto((await portal(customer, { flow_data: { type: 'payment_method_update', after_completion } })).url);
  await choose(visit, '4000002500003155');
  await page.click('#save');
  await page.click('#complete');
  await page.waitForURL(`${sellerUrl}/after`);

  const own = { subscription: subscription.id };
  const { items } = await api('GET', `/v1/subscriptions/${subscription.id}`);
  const change = { ...own, items: { 0: { id: items.data[0].id, price: catalogue.professional.month.id, quantity: 1 } } };
  const confirm = { type: 'subscription_update_confirm', subscription_update_confirm: change, after_completion };
  await page.goto((await portal(customer, { flow_data: confirm })).url);
  await visit.examine('deep link: confirmation');
  await page.click('#confirm');
  await page.waitForURL(`${sellerUrl}/after`);

  const cancel = { type: 'subscription_cancel', subscription_cancel: own, after_completion: { type: 'hosted_confirmation' } };
  await page.goto((await portal(customer, { flow_data: cancel })).url);
  await page.click('#cancel');
  await page.waitForSelector('#onward');
  await visit.examine('deep link: done');
  await page.click('#onward');
  await page.waitForURL(`${sellerUrl}/back`);
  const ending = await api('GET', `/v1/subscriptions/${subscription.id}`);
  assert.ok(ending.cancel_at_period_end || ending.cancel_at);
}

async function paysAnInvoice(visit) {
  const { page } = visit;
  const { id } = await api('POST', '/v1/customers', { name: 'Late payer' });
  const items = { 0: { price: catalogue.starter.month.id } };
  const created = { customer: id, items, collection_method: 'send_invoice', days_until_due: 30, expand: { 0: 'latest_invoice' } };
  const subscription = await api('POST', '/v1/subscriptions', created);
  let invoice = subscription.latest_invoice;
  if (invoice.status === 'draft') invoice = await api('POST', `/v1/invoices/${invoice.id}/finalize`);
  await page.goto(invoice.hosted_invoice_url);
  await visit.examine('open invoice');
  visit.forgive(422);
  await choose(visit, '4000000000009995');
  await page.click('#pay');
  await page.waitForSelector('#problems');
  assert.match(await page.locator('#problems').innerText(), /insufficient funds/);
  await choose(visit, '4242424242424242');
  await page.click('#pay');
  await page.waitForSelector('text=Thank you: the invoice is paid.');
  await visit.examine('paid invoice');
  assert.equal((await api('GET', `/v1/invoices/${invoice.id}`)).status, 'paid');
}

const everywhere = (name, walk) => [
  { name: `${name}, with script`, walk },
  { name: `${name}, without script, dark`, options: { script: false, dark: true }, walk },
];
await walks([
  { name: 'what the sandbox says about itself, dark', options: { dark: true }, walk: async (visit) => {
    await visit.page.goto(`${sandboxUrl}/`);
    await visit.examine('index');
    visit.forgive(404);
    await visit.page.goto(`${sandboxUrl}/c/pay/cs_test_nothing`);
    await visit.examine('not found');
  } },
  ...everywhere('pays with Checkout', paysWithCheckout),
  { name: 'goes back from Checkout, in Spanish and dark', options: { dark: true, locale: 'es-ES' }, walk: goesBackFromCheckout },
  ...everywhere('authenticates with the bank', authenticates),
  ...everywhere('uses the customer portal', usesThePortal),
  ...everywhere('follows deep links', followsDeepLinks),
  ...everywhere('pays an invoice', paysAnInvoice),
]);
seller.close();
seller.closeAllConnections();
