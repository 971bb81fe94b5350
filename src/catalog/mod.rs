//! Products, prices, plans, limits, features.
