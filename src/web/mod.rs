//! What every page shares: layout, forms, assets, headers, server.
