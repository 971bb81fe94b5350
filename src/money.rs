//! Money: minor units and a currency, never a float.
