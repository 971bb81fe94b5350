//! Users, sign-in, sessions, permissions.
