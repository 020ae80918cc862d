//! The table `retries`: the ids of unfinished transactions, and of replays, that nobody holds and that certainly are not in the
//! queue.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "retries")]
pub struct Model {
    /// The id of the row in `transactions`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When the relay should next hand the id to the queue: milliseconds since 1970 by the database's clock. From
    /// [`PARKED`](crate::lifecycle::operate::pause::PARKED) on: not before its source's pause is over.
    pub due_at: i64,
    /// When that was decided, by the same clock.
    pub set_at: i64,
    /// Attempts whose end is known.
    pub attempts: i32,
    /// Those of them that moved the transaction along its schedule.
    pub failures: i32,
    /// Consumers that have died with it in flight.
    pub crashes: i32,
    /// It waits for its next attempt: nobody may begin on it until the relay has claimed it, from `due_at` on.
    pub waits: bool,
    /// How many attempts it had when an operator reopened it, or asked for a replay: they count no longer.
    pub earlier: i32,
    /// It is a replay: its transaction is `PROCESSED`, and only the call is made once more.
    pub replay: bool,
    /// The bulk retry that reopened it.
    pub bulk: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
