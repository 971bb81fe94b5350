// Stripe's official Node client signs; the portal's endpoint must read its signatures, and refuse every other.
//
//   node endpoint.mjs PORTAL_URL WEBHOOK_SECRET

import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { check, run } from './check.mjs';

const [portalUrl, secret] = process.argv.slice(2);
if (!secret) {
  console.error('usage: node endpoint.mjs PORTAL_URL WEBHOOK_SECRET');
  process.exit(2);
}
const stripe = new Stripe('sk_test_official_node_client');
const now = () => Math.floor(Date.now() / 1000);

const payload = (overrides = {}) => JSON.stringify({
  id: `evt_node_${now()}_${Math.random().toString(36).slice(2)}`,
  object: 'event',
  api_version: '2026-09-30.endive',
  created: now(),
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type: 'invoice.levitated',
  data: { object: { id: 'in_node', object: 'invoice', customer: 'cus_nobody' } },
  ...overrides,
});

async function post(body, signature) {
  const headers = { 'content-type': 'application/json' };
  if (signature) headers['stripe-signature'] = signature;
  return (await fetch(`${portalUrl}/webhooks/stripe`, { method: 'POST', body, headers })).status;
}

const sign = (body, options = {}) => stripe.webhooks.generateTestHeaderString({ payload: body, secret, ...options });

check('a signed event is taken in, also of a type and shape nobody knows', async () => {
  const body = payload();
  assert.equal(await post(body, sign(body)), 200);
  const shapeless = payload({ data: { object: { id: 'x', lines: 'many' } } });
  assert.equal(await post(shapeless, sign(shapeless)), 200);
});

check('the same event again is acknowledged', async () => {
  const body = payload();
  assert.equal(await post(body, sign(body)), 200);
  assert.equal(await post(body, sign(body)), 200);
});

check('an event signed four minutes ago is taken, one signed six minutes ago is not', async () => {
  const body = payload();
  assert.equal(await post(body, sign(body, { timestamp: now() - 240 })), 200);
  assert.equal(await post(body, sign(body, { timestamp: now() - 360 })), 400);
});

check('another secret, other bytes, another scheme and no signature are refused', async () => {
  const body = payload();
  assert.equal(await post(body, sign(body, { secret: 'whsec_another' })), 400);
  assert.equal(await post(`${body} `, sign(body)), 400);
  assert.equal(await post(body, sign(body, { scheme: 'v0' })), 400);
  assert.equal(await post(body, 'garbage'), 400);
  assert.equal(await post(body), 400);
});

check('of several signatures one good one is enough', async () => {
  const body = payload();
  const [time, good] = sign(body).split(',');
  assert.equal(await post(body, `${time},v1=${'0'.repeat(64)},${good}`), 200);
});

check('more than a megabyte is too much', async () => {
  const body = payload({ data: { object: { id: 'x', text: 'x'.repeat(1_100_000) } } });
  assert.equal(await post(body, sign(body)), 413);
});

await run('official Node client against the portal’s endpoint');
