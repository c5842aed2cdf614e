//! The daemon from outside: its protocol, its HTTP routes, its commands, how it starts and ends, and attacks on it.

mod commands;
mod conformance;
mod hostile;
mod http;
mod life;
mod limits;
mod scopes;
