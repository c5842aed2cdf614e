//! The daemon as others see it: its protocol and its HTTP side, its commands, its life, and what is done to it.

mod commands;
mod conformance;
mod hostile;
mod http;
mod life;
mod limits;
mod scopes;
