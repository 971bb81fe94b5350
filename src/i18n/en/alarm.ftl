alarm-webhooks-silent = Stripe has events that it did not deliver.
alarm-webhooks-silent-remedy = They are fetched every ten minutes meanwhile. See in Stripe's dashboard (Developers, Webhooks) what its deliveries were answered, and run billing-portal doctor.
alarm-webhooks-disabled = Stripe has switched the webhook endpoint off.
alarm-webhooks-disabled-remedy = Run billing-portal setup again, or switch it on in Stripe's dashboard under Developers, Webhooks. Missing events are fetched every ten minutes meanwhile.
alarm-webhooks-missing = The webhook endpoint is gone from Stripe.
alarm-webhooks-missing-remedy = Run billing-portal setup again: it makes a new one and stores its signing secret.
alarm-look = See the events
