//! All there is to know of one transaction.

use entity::{
    Status, attempt, conflict, failure,
    lifecycle::{
        self,
        place::{Place, conflicts, place},
        repeats::{Beside, beside},
    },
    payload,
    transaction::Model,
};
use sea_orm::{DatabaseConnection, DbErr};

pub(super) struct Known {
    pub(super) row: Model,
    pub(super) payload: Option<payload::Model>,
    pub(super) failure: Option<failure::Model>,
    pub(super) attempts: Vec<attempt::Model>,
    pub(super) place: Option<Place>,
    pub(super) conflicts: Vec<conflict::Model>,
    pub(super) beside: Beside,
}

impl Known {
    pub(super) async fn of(db: &DatabaseConnection, row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            payload: lifecycle::payload(db, row.id).await?,
            failure: match row.status {
                Status::Failed => lifecycle::failure(db, row.id).await?,
                Status::Processing | Status::Processed => None,
            },
            attempts: lifecycle::attempts(db, row.id).await?,
            place: place(db, row.id).await?,
            beside: beside(db, row.id, (&row.source, &row.transaction_id)).await?,
            conflicts: conflicts(db, &row.source, &row.transaction_id).await?,
            row,
        })
    }
}
