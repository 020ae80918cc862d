//! What the role must be allowed to do with the tables, and what it lacks.

use anyhow::{Context, anyhow, bail};
use entity::lifecycle::retention::{Limits, Table};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};

/// A table, and the rights on it.
type Needs = &'static [(&'static str, &'static [&'static str])];

/// Without these no webhook is answered with 202.
const RECEIVE: Needs = &[
    ("seaql_migrations", &["SELECT"]),
    ("keys", &["SELECT", "INSERT"]),
    ("transactions", &["SELECT", "INSERT"]),
    ("payloads", &["INSERT"]),
    ("outbox", &["INSERT"]),
];
/// The rest of what the API and its relay do.
const API: Needs = &[
    ("conflicts", &["SELECT", "INSERT"]),
    ("outbox", &["SELECT", "UPDATE", "DELETE"]),
    ("retries", &["SELECT", "INSERT", "UPDATE"]),
    ("consumers", &["SELECT"]),
    ("queues", &["SELECT", "INSERT", "UPDATE"]),
    ("probe", &["SELECT", "INSERT", "UPDATE"]),
    ("payloads", &["SELECT"]),
    ("refusals", &["SELECT", "INSERT", "DELETE"]),
    ("attempts", &["SELECT"]),
    ("transactions", &["UPDATE"]),
    ("failures", &["SELECT", "INSERT", "DELETE"]),
    ("audit", &["SELECT", "INSERT"]),
    ("bulk_retries", &["SELECT", "INSERT", "UPDATE"]),
    ("pauses", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("heard", &["SELECT", "INSERT", "UPDATE"]),
    ("duties", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("alerts", &["SELECT", "INSERT", "UPDATE"]),
    ("repeats", &["SELECT", "INSERT", "UPDATE"]),
];
/// What retention deletes, where there is a limit.
const RETENTION: [(Table, Needs); 6] = [
    (Table::Payloads, &[("payloads", &["SELECT", "DELETE"])]),
    (
        Table::Transactions,
        &[("transactions", &["SELECT", "DELETE"])],
    ),
    (Table::Attempts, &[("attempts", &["SELECT", "DELETE"])]),
    (Table::Repeats, &[("repeats", &["SELECT", "DELETE"])]),
    (Table::Conflicts, &[("conflicts", &["SELECT", "DELETE"])]),
    (Table::Audit, &[("audit", &["SELECT", "DELETE"])]),
];
/// What a consumer does.
const CONSUMER: Needs = &[
    ("seaql_migrations", &["SELECT"]),
    ("transactions", &["SELECT", "UPDATE"]),
    ("payloads", &["SELECT"]),
    ("outbox", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("retries", &["SELECT", "INSERT", "DELETE"]),
    ("consumers", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("queues", &["SELECT", "INSERT", "UPDATE"]),
    ("attempts", &["SELECT", "INSERT"]),
    ("failures", &["SELECT", "INSERT"]),
    ("pauses", &["SELECT"]),
];

/// What the process runs.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Whether it receives and publishes.
    pub api: bool,
    /// Whether it processes.
    pub consumer: bool,
}

/// Fails with one sentence that names the rights without which a part of the process cannot work. Whatever else an API lacks
/// is said in a warning: webhooks are not turned away for it.
pub async fn check(db: &DatabaseConnection, parts: Parts) -> anyhow::Result<()> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (is_needed, needs) in [(parts.api, RECEIVE), (parts.consumer, CONSUMER)] {
        if is_needed && let Some(missing) = lacking(db, needs).await? {
            bail!("DATABASE_URL: {missing}");
        }
    }
    if parts.api
        && let Some(missing) = lacking(db, API).await?
    {
        tracing::warn!(event = "rights_missing", "not all will work: {missing}");
    }
    Ok(())
}

/// Warns of what the role lacks to delete what is older than these limits.
pub async fn check_retention(db: &DatabaseConnection, limits: &Limits) -> anyhow::Result<()> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let limited = RETENTION
        .iter()
        .filter(|(table, _)| table.limit(limits).is_some());
    for (_, needs) in limited {
        if let Some(missing) = lacking(db, needs).await? {
            tracing::warn!(
                event = "rights_missing",
                "what is old will not be deleted: {missing}"
            );
        }
    }
    Ok(())
}

/// A sentence for each part about the rights that the role lacks, if it does.
pub async fn missing(
    db: &DatabaseConnection,
    parts: Parts,
    limits: &Limits,
) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(found);
    }
    for (is_needed, needs) in [
        (parts.api, RECEIVE),
        (parts.api, API),
        (parts.consumer, CONSUMER),
    ] {
        if is_needed {
            found.extend(lacking(db, needs).await?);
        }
    }
    let limited = RETENTION
        .iter()
        .filter(|(table, _)| table.limit(limits).is_some());
    for (_, needs) in limited {
        found.extend(lacking(db, needs).await?);
    }
    Ok(found)
}

/// The sentence about the rights that the role lacks, if it does. A table that is not there is not this one's concern.
async fn lacking(db: &DatabaseConnection, needs: Needs) -> anyhow::Result<Option<String>> {
    let pair = |table, right| format!("('{table}', '{right}')");
    let needed: Vec<String> = needs
        .iter()
        .flat_map(|(table, rights)| rights.iter().map(move |right| pair(table, right)))
        .collect();
    let untold = "DATABASE_URL: the database does not tell the role's rights";
    // Rights on columns may do as well as one on the table; which columns are enough is not for this check to know.
    let query = format!(
        "SELECT current_user::text, string_agg(DISTINCT need || ' ON ' || name, ', ') \
         FROM (VALUES {}) AS needed (name, need), LATERAL (SELECT to_regclass(name)::oid AS id) AS found \
         WHERE id IS NOT NULL AND NOT has_table_privilege(id, need) \
           AND NOT CASE need WHEN 'DELETE' THEN false ELSE has_any_column_privilege(id, need) END",
        needed.join(", ")
    );
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, query))
        .await
        .context(untold)?
        .context(untold)?;
    let (role, rights): (String, Option<String>) =
        (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(rights.map(|rights| format!("the role {role} is missing rights: GRANT {rights}")))
}

/// The sentence for a schema that could not be changed.
pub fn cannot_migrate(error: DbErr) -> anyhow::Error {
    let failed = "DATABASE_URL: the schema cannot be changed";
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = &error
    else {
        return anyhow::Error::new(error).context(failed);
    };
    match cause.as_database_error() {
        // insufficient_privilege
        Some(said) if said.code().as_deref() == Some("42501") => anyhow!(
            "{failed}: {}; run hookline migrate up as the role that owns the tables, or one that may CREATE in the schema",
            said.message()
        ),
        _ => anyhow::Error::new(error).context(failed),
    }
}
