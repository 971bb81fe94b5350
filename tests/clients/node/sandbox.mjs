// Stripe's official Node client against the sandbox, as against a stranger's server.
//
//   node sandbox.mjs SANDBOX_URL WEBHOOK_HOST:PORT WEBHOOK_SECRET
//
// The sandbox must deliver its webhooks to http://WEBHOOK_HOST:PORT/hook, signed with WEBHOOK_SECRET.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import Stripe from 'stripe';
import { check, run, until } from './check.mjs';

const [sandboxUrl, webhookListen, webhookSecret] = process.argv.slice(2);
if (!webhookSecret) {
  console.error('usage: node sandbox.mjs SANDBOX_URL WEBHOOK_HOST:PORT WEBHOOK_SECRET');
  process.exit(2);
}
const { hostname, port } = new URL(sandboxUrl);
const options = { host: hostname, port, protocol: 'http', maxNetworkRetries: 0 };
const stripe = new Stripe('sk_test_official_node_client', options);

const deliveries = [];
const receiver = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    deliveries.push({ body: Buffer.concat(parts), signature: request.headers['stripe-signature'] });
    response.end();
  });
});
await new Promise((resolve) => receiver.listen(Number(webhookListen.split(':')[1]), webhookListen.split(':')[0], resolve));

const unique = `${Date.now()}`;
const made = {};

async function fails(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'the call was expected to fail' });
}

async function customerWithCard(paymentMethod, params = {}) {
  const customer = await stripe.customers.create({ name: 'Node', ...params });
  const card = await stripe.paymentMethods.attach(paymentMethod, { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: card.id } });
  return customer;
}

check('creates a customer and reads it back', async () => {
  made.customer = await stripe.customers.create({
    name: 'Ångström & Söhne',
    email: `node-${unique}@example.com`,
    address: { country: 'DE', city: 'Köln', line1: 'Domstraße 1', postal_code: '50668' },
    metadata: { 'tenant id': 't+1', empty: 'x' },
  });
  assert.match(made.customer.id, /^cus_/);
  assert.match(made.customer.lastResponse.requestId, /^req_/);
  assert.equal(made.customer.lastResponse.apiVersion, Stripe.API_VERSION ?? made.customer.lastResponse.apiVersion);
  const read = await stripe.customers.retrieve(made.customer.id);
  assert.equal(read.name, 'Ångström & Söhne');
  assert.equal(read.metadata['tenant id'], 't+1');
  assert.equal(read.address.city, 'Köln');
});

check('an update changes what it names, an empty value clears a key', async () => {
  const updated = await stripe.customers.update(made.customer.id, { metadata: { empty: '' }, phone: '+49 221 1' });
  assert.deepEqual(updated.metadata, { 'tenant id': 't+1' });
  assert.equal(updated.email, `node-${unique}@example.com`);
  assert.equal(updated.phone, '+49 221 1');
});

check('creates products and prices found by their lookup key', async () => {
  made.product = await stripe.products.create({ name: 'Node plan', marketing_features: [{ name: '5 users' }] });
  assert.equal(made.product.type, 'service');
  const price = (interval, amount) =>
    stripe.prices.create({
      product: made.product.id, currency: 'eur', unit_amount: amount, recurring: { interval },
      lookup_key: `node_${interval}_${unique}`,
    });
  made.monthly = await price('month', 2900);
  made.yearly = await price('year', 29000);
  const found = await stripe.prices.list({ lookup_keys: [`node_month_${unique}`], expand: ['data.product'] });
  assert.equal(found.data.length, 1);
  assert.equal(found.data[0].id, made.monthly.id);
  assert.equal(found.data[0].product.name, 'Node plan');
});

check('lists page by themselves, in order, without gap or repetition', async () => {
  const email = `pages-${unique}@example.com`;
  const created = [];
  for (let n = 0; n < 7; n += 1) created.push((await stripe.customers.create({ email, name: `n${n}` })).id);
  const listed = [];
  for await (const customer of stripe.customers.list({ email, limit: 3 })) listed.push(customer.id);
  assert.deepEqual(listed, created.toReversed?.() ?? [...created].reverse());
  const first = await stripe.customers.list({ email, limit: 3 });
  assert.equal(first.has_more, true);
  const back = await stripe.customers.list({ email, limit: 3, ending_before: listed[3] });
  assert.deepEqual(back.data.map(({ id }) => id), listed.slice(0, 3));
});

check('what does not exist is a 404 with code and param', async () => {
  const error = await fails(stripe.customers.retrieve('cus_missing'));
  assert.equal(error.type, 'StripeInvalidRequestError');
  assert.equal(error.code, 'resource_missing');
  assert.equal(error.param, 'id');
  assert.equal(error.statusCode, 404);
  assert.match(error.requestId, /^req_/);
  assert.match(error.message, /No such customer/);
});

check('an unknown parameter and a missing one are refused by name', async () => {
  const unknown = await fails(stripe.customers.create({ nmae: 'x' }));
  assert.equal(unknown.type, 'StripeInvalidRequestError');
  assert.equal(unknown.code, 'parameter_unknown');
  assert.equal(unknown.param, 'nmae');
  assert.equal(unknown.statusCode, 400);
  const missing = await fails(stripe.prices.create({ product: made.product.id, unit_amount: 5 }));
  assert.equal(missing.param, 'currency');
  assert.equal(missing.statusCode, 400);
});

check('without a key the answer is 401', async () => {
  const answer = await fetch(`${sandboxUrl}/v1/customers`);
  assert.equal(answer.status, 401);
  assert.equal((await answer.json()).error.type, 'invalid_request_error');
});

check('a live key is refused', async () => {
  const error = await fails(new Stripe('sk_live_never_here', options).customers.list());
  assert.equal(error.statusCode, 401);
});

check('a repeated idempotency key answers the same and does nothing twice', async () => {
  const idempotencyKey = `node-${unique}`;
  const email = `idempotent-${unique}@example.com`;
  const first = await stripe.customers.create({ email }, { idempotencyKey });
  const second = await stripe.customers.create({ email }, { idempotencyKey });
  assert.equal(second.id, first.id);
  assert.equal(second.lastResponse.headers['idempotent-replayed'], 'true');
  assert.equal((await stripe.customers.list({ email })).data.length, 1);
  const conflict = await fails(stripe.customers.create({ email: 'other@example.com' }, { idempotencyKey }));
  assert.equal(conflict.type, 'StripeIdempotencyError');
  assert.equal(conflict.statusCode, 400);
});

check('a subscription with a good card is active and its invoice is paid', async () => {
  const customer = await customerWithCard('pm_card_visa');
  made.subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: made.monthly.id, quantity: 2 }],
    expand: ['latest_invoice.payments', 'customer'],
  });
  assert.equal(made.subscription.status, 'active');
  assert.equal(made.subscription.customer.name, 'Node');
  assert.equal(made.subscription.latest_invoice.status, 'paid');
  assert.equal(made.subscription.latest_invoice.amount_paid, 5800);
  assert.equal(made.subscription.latest_invoice.payments.data.length, 1);
  const [item] = made.subscription.items.data;
  assert.equal(item.plan.id, made.monthly.id);
  assert.ok(item.current_period_end > item.current_period_start);
});

check('its invoice has a hosted page and a real PDF', async () => {
  const { data } = await stripe.invoices.list({ subscription: made.subscription.id });
  assert.equal(data.length, 1);
  assert.equal(data[0].parent.subscription_details.subscription, made.subscription.id);
  const page = await fetch(data[0].hosted_invoice_url);
  assert.equal(page.status, 200);
  assert.match(await page.text(), new RegExp(data[0].number));
  const pdf = await fetch(data[0].invoice_pdf);
  assert.equal(pdf.headers.get('content-type'), 'application/pdf');
  assert.equal(Buffer.from(await pdf.arrayBuffer()).subarray(0, 5).toString(), '%PDF-');
});

check('a card that fails later is refused with its reason', async () => {
  const customer = await customerWithCard('pm_card_chargeCustomerFail');
  const error = await fails(
    stripe.subscriptions.create({
      customer: customer.id, items: [{ price: made.monthly.id }], payment_behavior: 'error_if_incomplete',
    }),
  );
  assert.equal(error.type, 'StripeCardError');
  assert.equal(error.code, 'card_declined');
  assert.equal(error.statusCode, 402);
});

check('a preview shows what a change costs, and changes nothing', async () => {
  const [item] = made.subscription.items.data;
  const preview = await stripe.invoices.createPreview({
    customer: made.subscription.customer.id,
    subscription: made.subscription.id,
    subscription_details: { items: [{ id: item.id, quantity: 3 }], proration_behavior: 'always_invoice' },
  });
  assert.ok(preview.lines.data.some((line) => line.parent.subscription_item_details.proration));
  assert.equal((await stripe.subscriptions.retrieve(made.subscription.id)).items.data[0].quantity, 2);
});

check('cancelling at the period end can be undone, cancelling now cannot', async () => {
  const ending = await stripe.subscriptions.update(made.subscription.id, { cancel_at_period_end: true });
  assert.ok(ending.cancel_at_period_end || ending.cancel_at);
  const kept = await stripe.subscriptions.update(made.subscription.id, { cancel_at_period_end: false });
  assert.equal(kept.cancel_at_period_end, false);
  assert.equal(kept.cancel_at, null);
  const gone = await stripe.subscriptions.cancel(made.subscription.id);
  assert.equal(gone.status, 'canceled');
  const [item] = gone.items.data;
  const late = await fails(stripe.subscriptions.update(made.subscription.id, { items: [{ id: item.id, quantity: 9 }] }));
  assert.equal(late.type, 'StripeInvalidRequestError');
});

check('a Checkout session has a page, line items and an end', async () => {
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: made.customer.id,
    line_items: [{ price: made.yearly.id, quantity: 1 }],
    success_url: 'http://127.0.0.1:1/done?session={CHECKOUT_SESSION_ID}',
    cancel_url: 'http://127.0.0.1:1/pricing',
    allow_promotion_codes: true,
    billing_address_collection: 'required',
    tax_id_collection: { enabled: true },
    customer_update: { address: 'auto', name: 'auto' },
    subscription_data: { metadata: { tenant: 't_1' }, trial_period_days: 14 },
    expand: ['line_items'],
  });
  assert.equal(session.status, 'open');
  assert.equal(session.line_items.data[0].price.id, made.yearly.id);
  const page = await fetch(session.url, { headers: { 'accept-language': 'es' } });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
  assert.match(await page.text(), /Node plan/);
  const items = await stripe.checkout.sessions.listLineItems(session.id);
  assert.equal(items.data[0].amount_total, 0, 'a trial charges nothing today');
  const expired = await stripe.checkout.sessions.expire(session.id);
  assert.equal(expired.status, 'expired');
  assert.equal(expired.url, null);
  assert.equal((await fails(stripe.checkout.sessions.expire(session.id))).statusCode, 400);
});

check('the customer portal opens, whole or straight at one task', async () => {
  const configuration = await stripe.billingPortal.configurations.create({
    features: { invoice_history: { enabled: true }, payment_method_update: { enabled: true } },
  });
  const session = await stripe.billingPortal.sessions.create({
    customer: made.customer.id, configuration: configuration.id, return_url: 'http://127.0.0.1:1/back',
  });
  const page = await fetch(session.url);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /http:\/\/127\.0\.0\.1:1\/back/);
  const flow = await stripe.billingPortal.sessions.create({
    customer: made.customer.id, configuration: configuration.id, return_url: 'http://127.0.0.1:1/back',
    flow_data: { type: 'payment_method_update' },
  });
  assert.equal(flow.flow.type, 'payment_method_update');
});

check('usage is metered', async () => {
  const eventName = `tokens_${unique}`;
  const meter = await stripe.billing.meters.create({
    display_name: 'Tokens', event_name: eventName, default_aggregation: { formula: 'sum' },
  });
  const now = Math.floor(Date.now() / 1000);
  for (const value of ['40', '2']) {
    await stripe.billing.meterEvents.create({
      event_name: eventName, payload: { stripe_customer_id: made.customer.id, value }, identifier: `${unique}-${value}`,
    });
  }
  const minute = (seconds) => Math.floor(seconds / 60) * 60;
  const window = { customer: made.customer.id, start_time: minute(now) - 600, end_time: minute(now) + 600 };
  const summaries = await until('the meter to add up', async () => {
    const { data } = await stripe.billing.meters.listEventSummaries(meter.id, window);
    return data.length && data;
  });
  assert.equal(summaries.reduce((sum, { aggregated_value }) => sum + aggregated_value, 0), 42);
  const twice = await fails(
    stripe.billing.meterEvents.create({
      event_name: eventName, payload: { stripe_customer_id: made.customer.id, value: '40' }, identifier: `${unique}-40`,
    }),
  );
  assert.equal(twice.statusCode, 400);
});

check('a test clock renews what hangs on it', async () => {
  const start = Math.floor(Date.now() / 1000);
  const clock = await stripe.testHelpers.testClocks.create({ frozen_time: start, name: 'node' });
  const customer = await customerWithCard('pm_card_visa', { test_clock: clock.id });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: made.monthly.id }] });
  const renewal = subscription.items.data[0].current_period_end;
  await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: renewal + 7200 });
  await until('the clock to arrive', async () => (await stripe.testHelpers.testClocks.retrieve(clock.id)).status === 'ready');
  const invoices = await stripe.invoices.list({ subscription: subscription.id });
  assert.deepEqual(invoices.data.map(({ billing_reason, status }) => [billing_reason, status]), [
    ['subscription_cycle', 'paid'],
    ['subscription_create', 'paid'],
  ]);
});

check('events are listed as they were sent', async () => {
  const events = await stripe.events.list({ type: 'customer.created', limit: 100 });
  assert.ok(events.data.some((event) => event.data.object.id === made.customer.id));
  const one = await stripe.events.retrieve(events.data[0].id);
  assert.equal(one.type, 'customer.created');
});

check('webhooks arrive, signed as the official client reads them', async () => {
  await until('webhooks of the subscription', () =>
    ['customer.created', 'customer.subscription.created', 'invoice.paid', 'customer.subscription.deleted', 'checkout.session.expired']
      .every((type) => deliveries.some(({ body }) => JSON.parse(body).type === type)));
  for (const { body, signature } of deliveries) {
    const event = stripe.webhooks.constructEvent(body, signature, webhookSecret);
    assert.match(event.id, /^evt_/);
    assert.equal(event.api_version, made.customer.lastResponse.apiVersion ?? event.api_version);
  }
  const { body, signature } = deliveries[0];
  assert.throws(() => stripe.webhooks.constructEvent(body, signature, 'whsec_another'), /signature/i);
  assert.throws(() => stripe.webhooks.constructEvent(`${body} `, signature, webhookSecret), /signature/i);
});

await run('official Node client against the sandbox');
receiver.close();
receiver.closeAllConnections();
