//! The product over ports in memory. One program, so that there is one to link.

mod asked;
mod budget;
mod chat;
mod configuration;
mod consistency;
mod deploy;
mod flow;
mod freeplan;
mod given_up;
mod golden;
mod large;
mod lists;
mod memories;
mod mutations;
mod outage;
mod outages;
mod poison;
mod redelivery;
mod refused;
mod schedule;
mod sessions;
mod shares;
mod simulation;
mod stored;
mod streamed;
mod unpacking;
