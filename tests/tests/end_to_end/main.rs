//! The product on the real workerd. One program, so that there is one to link.

mod budget;
mod chat;
mod chat_under_fire;
mod claude_code;
mod description;
mod documents;
mod friend;
mod kills;
mod mcp;
mod memories;
mod openai;
mod outages;
mod sessions;
mod smoke;
mod started;
mod streamed;
mod streams;
