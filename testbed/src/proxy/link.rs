//! One connection through a proxy: two streams, and what passes between them.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

use super::{
    mode::{Mode, Way},
    orders::Orders,
};

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;
/// How often something drips.
const DRIP_EVERY: Duration = Duration::from_millis(100);

/// The connection is to be reset.
struct Cut;

/// Passes bytes both ways until both ends are done or the mode says that it is over.
pub(super) async fn link(mut client: TcpStream, mut server: TcpStream, mut orders: Orders) {
    // Small messages must not wait for each other: the proxy would be a fault even when everything passes.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let passed = Passed::new(orders.mode());
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pump(
            from_client,
            to_server,
            Way::ToServer,
            orders.clone(),
            &passed,
        );
        let back = pump(
            from_server,
            to_client,
            Way::ToClient,
            orders.clone(),
            &passed,
        );
        tokio::select! {
            both = async { tokio::try_join!(there, back).map(drop) } => both,
            _ = orders.wait_for(|mode| mode == Mode::Reset) => Err(Cut),
        }
    };
    if let Err(Cut) = end {
        // Closing with nothing to linger for sends a reset. An error says that the stream is gone already.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// How many bytes have passed since the connection began or, if that was later, since the mode changed.
struct Passed(Mutex<(Mode, u64)>);

impl Passed {
    fn new(mode: Mode) -> Self {
        Self(Mutex::new((mode, 0)))
    }

    /// Counts `more`; returns how many of them may pass before the cut, if it comes now.
    fn count(&self, mode: Mode, more: usize) -> Option<usize> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0 != mode {
            *counted = (mode, 0);
        }
        let before = counted.1;
        counted.1 += more as u64;
        match mode {
            Mode::CutAfter(most) if counted.1 >= most => {
                Some(usize::try_from(most.saturating_sub(before)).unwrap_or(more))
            }
            _ => None,
        }
    }
}

/// Passes what comes `from` on to `to`, until there is nothing more to come.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut orders: Orders,
    passed: &Passed,
) -> Result<(), Cut> {
    let mut piece = vec![0; PIECE];
    loop {
        passable(&mut orders, way).await?;
        let read = tokio::select! {
            read = from.read(&mut piece) => read.map_err(|_| Cut)?,
            // A cable may be cut while nobody says anything, and then not even an end may pass.
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Err(Cut),
            },
        };
        passable(&mut orders, way).await?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Cut);
        }
        if let Some(rest) = passed.count(orders.mode(), read) {
            let _ = to.write_all(&piece[..rest]).await;
            return Err(Cut);
        }
        let passing = pass(&piece[..read], &mut to, &mut orders);
        passing.await.map_err(|_| Cut)?;
    }
}

/// Returns once something may pass this `way`.
async fn passable(orders: &mut Orders, way: Way) -> Result<(), Cut> {
    let open = |mode| mode != Mode::Blackhole && mode != Mode::Deaf(way);
    orders.wait_for(open).await.map_err(|_| Cut)
}

/// Writes one piece in the way of the present mode; if that changes meanwhile, the rest goes at once.
async fn pass(piece: &[u8], to: &mut WriteHalf<'_>, orders: &mut Orders) -> io::Result<()> {
    let mut rest = piece;
    match orders.mode_and_mark() {
        Mode::Delay(delay) => {
            let _ = tokio::time::timeout(delay, orders.changed()).await;
        }
        Mode::Drip(rate) => {
            let drop = f64::from(rate) * DRIP_EVERY.as_secs_f64();
            let drop = (drop.ceil() as usize).max(1);
            while !rest.is_empty() {
                let (drip, later) = rest.split_at(drop.min(rest.len()));
                to.write_all(drip).await?;
                rest = later;
                if tokio::time::timeout(DRIP_EVERY, orders.changed())
                    .await
                    .is_ok()
                {
                    break;
                }
            }
        }
        _ => {}
    }
    to.write_all(rest).await
}
