//! The table `outbox`: the ids of unfinished transactions, and of replays, that are in the queue or in a consumer's hands, or
//! should be.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// The id of the row in `transactions`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When the relay should next hand the id to the queue: milliseconds since 1970 by the
    /// database's clock.
    pub due_at: i64,
    /// The consumer that has the id in flight; it counts only while that one's lease runs.
    pub holder: Option<Uuid>,
    /// Consumers that have died with it in flight.
    pub crashes: i32,
    /// Attempts whose end is known.
    pub attempts: i32,
    /// It waits for its next attempt: nobody may begin on it until the relay has claimed it, from `due_at` on. Only versions
    /// before `retries` set this.
    pub waits: bool,
    /// The attempts that moved the transaction along its schedule.
    pub failures: i32,
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
