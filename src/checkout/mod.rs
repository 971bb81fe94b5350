//! From the pricing page through Stripe Checkout and back.
