//! Every table and its one owner: the statements that write it, and the rows it returns.

pub mod users;
