//! `hookline erase`: deletes what a transaction says, or all of an account, before its time. Ids stay known.

use anyhow::{Context as _, bail};
use clap::Args;
use entity::{
    Account, TransactionId,
    lifecycle::{
        Known,
        erase::{Erased, count_account, erase, erase_account},
    },
};
use sea_orm::DatabaseConnection;

use crate::{
    config::{BadSetting, Config},
    logging,
    look::{find, opened::open_to_change},
    mend::by::by,
    output,
    progress::Progress,
    table::{self, Output, object},
};

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["id", "account"])))]
pub struct Arguments {
    /// The sender's id of the transaction
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// The source's name [default: whichever has the id]
    #[arg(long, value_name = "SOURCE", requires = "id")]
    source: Option<String>,
    /// All transactions in which this account pays or receives; reads every transaction there is
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only say how many transactions that would be
    #[arg(long)]
    dry_run: bool,
    /// Do it: what is erased cannot be had back
    #[arg(long)]
    yes: bool,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

/// What is to be erased.
enum What {
    One(Known),
    Account(Account),
}

pub async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    let db = open_to_change(&config.database_url).await?;
    let what = what(&db, arguments).await?;
    let done = match arguments.dry_run || !arguments.yes {
        true => would(&db, &what, arguments).await,
        false => erased(&db, &what, arguments).await,
    };
    // The last connection to a SQLite file moves its log into it.
    db.close().await?;
    done
}

async fn what(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<What> {
    if let Some(account) = &arguments.account {
        let account = account.parse();
        let account = account.map_err(|error| BadSetting(format!("ACCOUNT {error}")))?;
        return Ok(What::Account(account));
    }
    let id: Result<TransactionId, _> = arguments.id.as_deref().unwrap_or_default().parse();
    let id = id.map_err(|error| BadSetting(format!("ID {error}")))?;
    let source = arguments.source.as_deref().map(str::parse).transpose();
    let source = source.map_err(|error| BadSetting(format!("SOURCE {error}")))?;
    find(db, source, &id).await.map(What::One)
}

/// Says what would be erased.
async fn would(db: &DatabaseConnection, what: &What, arguments: &Arguments) -> anyhow::Result<()> {
    let mut progress = Progress::new();
    let tell = |count| progress.tell(|| format!("{count} are found so far"));
    let count = match what {
        What::One(_) => 1,
        What::Account(account) => count_account(db, account, tell)
            .await
            .context("DATABASE_URL: the transactions could not be counted")?,
    };
    output::print(&match arguments.output {
        Output::Json => table::json(&object([("would_erase", count.into())]))?,
        Output::Table => match count {
            1 => "1 transaction would be erased".into(),
            count => format!("{count} transactions would be erased"),
        },
    })?;
    if !arguments.dry_run {
        let sentence =
            "nothing is erased yet: what is erased cannot be had back; add --yes to do it";
        return Err(BadSetting(sentence.into()).into());
    }
    Ok(())
}

async fn erased(db: &DatabaseConnection, what: &What, arguments: &Arguments) -> anyhow::Result<()> {
    let by = by(arguments.reason.as_deref())?;
    let mut progress = Progress::new();
    let tell = |count| progress.tell(|| format!("{count} are erased so far"));
    let erased = match what {
        What::One(known) => erase(db, known, &by).await,
        What::Account(account) => erase_account(db, account, &by, tell).await,
    };
    let Erased {
        transactions,
        unfinished,
        conflicts,
    } = erased.context("DATABASE_URL: not all could be erased")?;
    output::print(&match arguments.output {
        Output::Json => table::json(&object([
            ("erased", transactions.into()),
            ("unfinished", unfinished.into()),
            ("conflicts", conflicts.into()),
        ]))?,
        Output::Table if transactions == 1 => "1 transaction is erased".into(),
        Output::Table => format!("{transactions} transactions are erased"),
    })?;
    if conflicts > 0 {
        logging::say(&format!(
            "{conflicts} contents that had come under other ids are erased, too"
        ));
    }
    match unfinished {
        0 => Ok(()),
        1 => bail!(
            "one is unfinished and keeps its content: let it end, or give it up, and erase again"
        ),
        count => bail!(
            "{count} are unfinished and keep their content: let them end, or give them up, and erase again"
        ),
    }
}
