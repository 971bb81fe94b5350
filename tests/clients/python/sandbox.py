"""Stripe's official Python client against the sandbox, as against a stranger's server.

    python sandbox.py SANDBOX_URL
"""

import sys
import time

import stripe

CHECKS = []


def check(body):
    CHECKS.append(body)
    return body


class Made:
    """What one check makes for the next."""


def refused(call):
    try:
        call()
    except stripe.StripeError as error:
        return error
    raise AssertionError("the call was expected to fail")


@check
def creates_and_expands(client):
    Made.customer = client.v1.customers.create(
        params={"name": "Python & Söhne", "email": f"python-{Made.unique}@example.com", "metadata": {"a b": "c+d"}}
    )
    read = client.v1.customers.retrieve(Made.customer.id)
    assert read.name == "Python & Söhne" and read.metadata["a b"] == "c+d", read
    product = client.v1.products.create(params={"name": "Python plan"})
    Made.price = client.v1.prices.create(
        params={"product": product.id, "currency": "usd", "unit_amount": 1500, "recurring": {"interval": "month"}}
    )
    price = client.v1.prices.retrieve(Made.price.id, params={"expand": ["product"]})
    assert price.product.name == "Python plan", price


@check
def pages_through_lists(client):
    email = f"pages-{Made.unique}@python.example.com"
    created = [client.v1.customers.create(params={"email": email}).id for _ in range(5)]
    listed = [customer.id for customer in client.v1.customers.list(params={"email": email, "limit": 2}).auto_paging_iter()]
    assert listed == created[::-1], (listed, created)


@check
def says_what_is_wrong(client):
    missing = refused(lambda: client.v1.customers.retrieve("cus_missing"))
    assert isinstance(missing, stripe.InvalidRequestError), missing
    assert (missing.code, missing.param, missing.http_status) == ("resource_missing", "id", 404), missing
    assert missing.request_id.startswith("req_"), missing.request_id
    unknown = refused(lambda: client.v1.customers.create(params={"nmae": "x"}))
    assert (unknown.code, unknown.param, unknown.http_status) == ("parameter_unknown", "nmae", 400), unknown


@check
def replays_a_repeated_key(client):
    options = {"idempotency_key": f"python-{Made.unique}"}
    first = client.v1.customers.create(params={"name": "once"}, options=options)
    second = client.v1.customers.create(params={"name": "once"}, options=options)
    assert first.id == second.id, (first.id, second.id)
    conflict = refused(lambda: client.v1.customers.create(params={"name": "twice"}, options=options))
    assert isinstance(conflict, stripe.IdempotencyError), conflict


@check
def subscribes_with_a_card(client):
    card = client.v1.payment_methods.attach("pm_card_visa", params={"customer": Made.customer.id})
    subscription = client.v1.subscriptions.create(
        params={
            "customer": Made.customer.id,
            "items": [{"price": Made.price.id}],
            "default_payment_method": card.id,
            "expand": ["latest_invoice"],
        }
    )
    assert subscription.status == "active", subscription
    assert subscription.latest_invoice.amount_paid == 1500, subscription.latest_invoice
    invoices = client.v1.invoices.list(params={"customer": Made.customer.id, "status": "paid"})
    assert [invoice.id for invoice in invoices.data] == [subscription.latest_invoice.id], invoices


@check
def is_told_why_a_card_is_declined(client):
    customer = client.v1.customers.create(params={"name": "declined"})
    card = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", params={"customer": customer.id})
    declined = refused(
        lambda: client.v1.subscriptions.create(
            params={
                "customer": customer.id,
                "items": [{"price": Made.price.id}],
                "default_payment_method": card.id,
                "payment_behavior": "error_if_incomplete",
            }
        )
    )
    assert isinstance(declined, stripe.CardError), declined
    assert (declined.code, declined.http_status) == ("card_declined", 402), declined


@check
def opens_checkout(client):
    session = client.v1.checkout.sessions.create(
        params={
            "mode": "subscription",
            "customer": Made.customer.id,
            "line_items": [{"price": Made.price.id, "quantity": 1}],
            "success_url": "http://127.0.0.1:1/done",
        }
    )
    assert session.status == "open" and session.url.startswith(Made.url), session
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"


@check
def reads_a_signed_event(client):
    event = client.v1.events.list(params={"type": "customer.created", "limit": 1}).data[0]
    assert event.data.object.object == "customer", event


def main():
    Made.url = sys.argv[1]
    Made.unique = str(time.time_ns())
    client = stripe.StripeClient("sk_test_official_python_client", base_addresses={"api": Made.url}, max_network_retries=0)
    started = time.monotonic()
    for body in CHECKS:
        name = body.__name__.replace("_", " ")
        try:
            body(client)
        except Exception as error:
            print(f"FAIL  {name}\n{type(error).__name__}: {error}", file=sys.stderr)
            raise
        print(f"ok    {name}")
    print(f"official Python client against the sandbox: {len(CHECKS)} checks in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python sandbox.py SANDBOX_URL")
    main()
