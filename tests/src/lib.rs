//! What the tests share: the whole product over ports in memory, and checks of what is stored.

pub mod corpus;
pub mod freeplan;
pub mod rig;
pub mod simulation;
pub mod socket;
pub mod stored;
