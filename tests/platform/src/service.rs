//! The services that calls ask, and what each says while it is out.

/// What a call asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// D1.
    Database,
    /// R2.
    Objects,
    /// KV.
    Values,
    /// Queues.
    Queue,
    /// Workers AI.
    Models,
    /// Vectorize.
    Vectors,
    /// Durable Objects.
    Channels,
    /// Servers of others.
    Outside,
    /// The runtime itself, which is no service.
    Runtime,
}

impl Service {
    /// Every binding, each of which may be out.
    pub const BINDINGS: [Self; 7] =
        [Self::Database, Self::Objects, Self::Values, Self::Queue, Self::Models, Self::Vectors, Self::Channels];

    /// Its name in failures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "D1",
            Self::Objects => "R2",
            Self::Values => "KV",
            Self::Queue => "queue",
            Self::Models => "AI",
            Self::Vectors => "Vectorize",
            Self::Channels => "channel",
            Self::Outside => "outside",
            Self::Runtime => "SHA-256",
        }
    }

    /// What it says while it is out.
    pub(crate) fn when_out(self) -> &'static str {
        match self {
            Self::Database => "D1_ERROR: Network connection lost.",
            Self::Objects => "put: We encountered an internal error. Please try again. (10001)",
            Self::Values => "KV GET failed: 503 Service Unavailable",
            Self::Queue => "Queue sendBatch failed: Service Unavailable",
            Self::Models => "3040: Capacity temporarily exceeded, please try again.",
            Self::Vectors => "VECTOR_UPSERT_ERROR: Status + 503",
            Self::Channels => "Network connection lost.",
            Self::Outside | Self::Runtime => "no answer",
        }
    }
}
