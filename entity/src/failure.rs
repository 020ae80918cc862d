//! The table `failures`: why a transaction is `FAILED`.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// Why the work was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(10))")]
pub enum Verdict {
    /// Downstream has refused it for good.
    #[sea_orm(string_value = "PERMANENT")]
    Permanent,
    /// The last attempt of the schedule has failed.
    #[sea_orm(string_value = "EXHAUSTED")]
    Exhausted,
    /// It killed or panicked its consumer again and again.
    #[sea_orm(string_value = "POISON")]
    Poison,
    /// An operator has given it up.
    #[sea_orm(string_value = "GIVEN_UP")]
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "failures")]
pub struct Model {
    /// The id of the row in `transactions`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub verdict: Verdict,
    /// For people.
    pub reason: String,
    /// By the database's clock.
    pub failed_at: OffsetDateTime,
    /// The number of the last attempt, whether its end is known or its consumer died with it. 0 from versions that did not
    /// keep it.
    pub attempts: i32,
    /// The bulk retry that had reopened it before it failed again.
    pub bulk: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A reason with an `N` for each number in it: failures that differ in numbers alone have one cause.
pub fn without_numbers(reason: &str) -> String {
    let mut without = String::with_capacity(reason.len());
    let mut in_number = false;
    for c in reason.chars() {
        let is_digit = c.is_ascii_digit();
        match (is_digit, in_number) {
            (true, false) => without.push('N'),
            (true, true) => {}
            (false, _) => without.push(c),
        }
        in_number = is_digit;
    }
    without
}
