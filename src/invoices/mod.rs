//! Invoices, kept from Stripe.
