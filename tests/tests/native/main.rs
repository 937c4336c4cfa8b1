//! The product over ports in memory. One program, so that there is one to link.

mod budget;
mod chat;
mod configuration;
mod deploy;
mod flow;
mod freeplan;
mod given_up;
mod golden;
mod mutations;
mod poison;
mod redelivery;
mod schedule;
mod sessions;
mod simulation;
