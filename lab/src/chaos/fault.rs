//! The faults: a closed set, each with its name, its row of the fault matrix, and what it does.

mod backlog;
mod broker;
mod clients;
mod cluster;
mod database;
mod failpoints;
mod far_side;
mod messages;
mod network;
mod process;
mod table;

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::{Serialize, Serializer};

use self::network::Break;
pub(super) use self::table::{About, Traits, all};
use super::world::{Ground, World};

/// Everything that can be broken. The names on the command line are these, in kebab case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Fault {
    None,
    KillApi,
    KillConsumer,
    KillAll,
    FailpointLoop,
    StopApi,
    StopConsumer,
    StopTwice,
    PauseApi,
    PauseConsumer,
    PauseConsumerMinute,
    ProcessMix,
    FewFiles,
    BrokerStop,
    BrokerStopQuarter,
    BrokerKill,
    AmqpReset,
    AmqpCut,
    AmqpBlackhole,
    AmqpDeaf,
    AmqpSlow,
    AmqpDelay,
    BrokerFailover,
    BrokerCutOne,
    BrokerAlarm,
    QueueDeleted,
    QueueReplaced,
    Unroutable,
    QueueExpires,
    QueueTtl,
    QueueMaxLength,
    QueueRejectsPublish,
    QueuePurged,
    Backlog,
    ConsumerTimeout,
    PoisonMessages,
    PoisonWork,
    DuplicateMessages,
    CredentialsRevoked,
    VhostRemoved,
    DatabaseStop,
    DatabaseCrash,
    DatabaseKill,
    BackendKill,
    BackendsTerminated,
    ClientsLeave,
    DatabaseReset,
    DatabaseCut,
    DatabaseBlackhole,
    DatabaseFailover,
    DatabaseFailoverOne,
    DatabaseCutOne,
    DatabaseAnswersLost,
    DatabaseSlow,
    DatabaseLocked,
    SlowFsync,
    FsyncError,
    DiskFull,
    ConnectionsExhausted,
    Deadlocks,
    Serialization,
    ReadOnly,
    ReadOnlyOne,
    HeldSnapshot,
    PoisonBodies,
    MigrationRace,
    ClockJump,
    SlowClients,
    HttpReset,
    HttpCut,
    HttpAnswersLost,
    DuplicateStorm,
    RetryStorm,
    BothDown,
    BrokerFlapping,
    DatabaseFlapping,
    InFlightCut,
    FarSideFails,
    FarSideDown,
    FarSideDownOne,
    FarSideSlow,
    FarSideBusy,
    FarSideRefuses,
    FarSideSickPart,
    FarSideWave,
    FarSideLimits,
    FarSideHalfOpen,
    ClusterLeaderKill,
    ClusterRollingRestart,
    ClusterMinorityCut,
    EmbeddedNone,
    EmbeddedKill,
    EmbeddedFailpoints,
    EmbeddedStop,
    EmbeddedStopTwice,
    EmbeddedPause,
    EmbeddedSecond,
    EmbeddedPostgresKill,
    EmbeddedPostgresSecond,
}

impl Fault {
    /// What the table says about it.
    pub(super) fn about(self) -> &'static About {
        // A test sees to it that each has its entry.
        let entry = all().find(|about| about.fault == self);
        entry.unwrap_or(&table::TABLE[0][0])
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Why it cannot be injected here, or `None` if it can.
    pub(super) fn obstacle(self, has_http: bool, has_failpoints: bool) -> Option<String> {
        match self {
            Self::SlowFsync | Self::FsyncError => database::strace_obstacle(),
            Self::DiskFull => database::small_disk_obstacle(),
            Self::ClockJump => testbed::postgres::clock_obstacle(),
            Self::PoisonWork | Self::EmbeddedFailpoints if !has_failpoints => {
                Some("needs --failpoints-binary, a build that can be told where to die".into())
            }
            _ if self.about().traits.far_side && !has_http => {
                Some("this hookline knows no PROCESS_URL, so that nothing has a far side".into())
            }
            _ => None,
        }
    }

    /// Breaks something in `world` for about as long as `lasts`, and mends it. What it forgets, [`World::heal`] mends.
    pub(super) async fn strike(self, world: &mut World<'_>, lasts: Duration) -> Result<()> {
        if let Some(how) = Break::by(self, world) {
            return how.strike(world, lasts).await;
        }
        match self {
            Self::None | Self::EmbeddedNone | Self::MigrationRace => world.hold(lasts).await,
            Self::FailpointLoop | Self::EmbeddedFailpoints => {
                failpoints::strike(world, lasts).await
            }
            Self::KillApi
            | Self::KillConsumer
            | Self::KillAll
            | Self::StopApi
            | Self::StopConsumer
            | Self::StopTwice
            | Self::PauseApi
            | Self::PauseConsumer
            | Self::PauseConsumerMinute
            | Self::ProcessMix
            | Self::FewFiles
            | Self::EmbeddedKill
            | Self::EmbeddedStop
            | Self::EmbeddedStopTwice
            | Self::EmbeddedPause
            | Self::EmbeddedSecond
            | Self::EmbeddedPostgresKill
            | Self::EmbeddedPostgresSecond => process::strike(self, world, lasts).await,
            Self::BrokerStop
            | Self::BrokerStopQuarter
            | Self::BrokerKill
            | Self::BrokerAlarm
            | Self::QueueDeleted
            | Self::QueueReplaced
            | Self::Unroutable
            | Self::ConsumerTimeout
            | Self::CredentialsRevoked
            | Self::VhostRemoved
            | Self::QueueExpires
            | Self::QueueTtl
            | Self::QueueMaxLength
            | Self::QueueRejectsPublish
            | Self::QueuePurged
            | Self::BothDown => broker::strike(self, world, lasts).await,
            Self::Backlog => backlog::strike(world).await,
            Self::PoisonMessages | Self::PoisonWork | Self::DuplicateMessages => {
                messages::strike(self, world, lasts).await
            }
            Self::ClientsLeave
            | Self::PoisonBodies
            | Self::SlowClients
            | Self::DuplicateStorm
            | Self::RetryStorm => clients::strike(self, world, lasts).await,
            Self::FarSideFails
            | Self::FarSideSlow
            | Self::FarSideBusy
            | Self::FarSideRefuses
            | Self::FarSideSickPart
            | Self::FarSideWave
            | Self::FarSideLimits
            | Self::FarSideHalfOpen => far_side::strike(self, world, lasts).await,
            Self::ClusterLeaderKill | Self::ClusterRollingRestart | Self::ClusterMinorityCut => {
                cluster::strike(self, world, lasts).await
            }
            _ => database::strike(self, world, lasts).await,
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// The only broker, or one of the cluster.
fn broker(ground: &mut Ground) -> Result<&mut testbed::rabbitmq::Server> {
    ground.brokers.first_mut().context("there is no broker")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::{Fault, all};

    #[test]
    fn every_fault_stands_in_the_table_once() {
        for fault in Fault::value_variants() {
            let entries = all().filter(|about| about.fault == *fault);
            assert_eq!(entries.count(), 1, "{}", fault.name());
        }
        assert_eq!(all().count(), Fault::value_variants().len());
    }

    #[test]
    fn every_row_of_the_matrix_that_is_asked_for_has_a_fault() {
        let asked = [
            ("A", 1..=6),
            ("B", 1..=15),
            ("C", 1..=13),
            ("D", 1..=1),
            ("E", 3..=5),
            ("F", 1..=3),
        ];
        for (letter, numbers) in asked {
            for number in numbers {
                let row = format!("{letter}{number}");
                assert!(all().any(|about| about.row == row), "{row}");
            }
        }
    }
}
