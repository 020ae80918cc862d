//! The generator's loop.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    amount::{Load, Pace},
    answers::Answers,
    connection::{Connection, News, UnderWay},
    events::Events,
    webhook::{Ids, Requests, Sender},
};

/// How long the last answers may take after the last request.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);
/// From this many requests per second on they leave, and answers are read, a group at a time: waking up for each would
/// take a machine that everything shares more time than sending it. What leaves late for that counts as slower.
const GROUPED_FROM: f64 = 5_000.0;
/// From one group to the next. With more to read than it takes at once, the generator is behind and does not rest.
const GROUP_EVERY: Duration = Duration::from_millis(1);

struct Generator {
    address: SocketAddr,
    load: Load,
    requests: Requests,
    events: Events,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    sent: u64,
    began: Instant,
    /// When the last request was sent.
    ended: Option<Instant>,
    answers: Answers,
}

/// Applies the load on this thread.
pub(super) fn run(load: Load, address: SocketAddr) -> Result<Answers> {
    let events = Events::new()?;
    let mut connections = Vec::with_capacity(load.connections);
    for number in 0..load.connections {
        connections.push(open(address, load.sender, &events, number)?);
    }
    let ids = load.distinct.map_or_else(Ids::unique, Ids::repeating);
    let mut generator = Generator {
        address,
        idle: (0..connections.len()).rev().collect(),
        load,
        requests: Requests::new(load.sender),
        events,
        connections,
        sent: 0,
        began: Instant::now(),
        ended: None,
        answers: Answers::new(load.sender, ids)?,
    };
    generator.drive()?;
    generator.answers.took = generator.began.elapsed();
    Ok(generator.answers)
}

fn open(address: SocketAddr, sender: Sender, events: &Events, number: usize) -> Result<Connection> {
    let connection = Connection::open(address, sender.accepted())?;
    events.watch(&connection, number)?;
    Ok(connection)
}

impl Generator {
    fn drive(&mut self) -> Result<()> {
        let grouped = self.rate().is_some_and(|rate| rate >= GROUPED_FROM);
        loop {
            self.send_what_is_due()?;
            if let Some(ended) = self.ended {
                if self.idle.len() == self.connections.len() {
                    return Ok(());
                }
                ensure!(
                    ended.elapsed() < DRAIN_WITHIN,
                    "{} requests got no answer",
                    self.connections.len() - self.idle.len()
                );
            }
            if grouped && !self.events.may_have_more() {
                std::thread::sleep(GROUP_EVERY);
            }
            for number in self.events.wait(self.until_next())? {
                self.receive(number)?;
            }
        }
    }

    /// Webhooks per second, where they leave on schedule.
    fn rate(&self) -> Option<f64> {
        match self.load.pace {
            Pace::Closed => None,
            Pace::Open(rate) | Pace::AtMost(rate) => Some(rate),
        }
    }

    /// When webhook `number` should leave.
    fn scheduled(&self, number: u64) -> Option<Instant> {
        let after = Duration::from_secs_f64(number as f64 / self.rate()?);
        Some(self.began + after)
    }

    /// Whether the load is over for what leaves `now` and should have left at `scheduled`.
    fn is_over(&self, now: Instant, scheduled: Instant) -> bool {
        let last = match self.load.pace {
            Pace::AtMost(_) => now,
            Pace::Closed | Pace::Open(_) => scheduled,
        };
        self.sent == self.load.count || last.duration_since(self.began) >= self.load.time
    }

    fn send_what_is_due(&mut self) -> Result<()> {
        while self.ended.is_none() {
            let now = Instant::now();
            let mut scheduled = self.scheduled(self.sent).unwrap_or(now);
            if self.is_over(now, scheduled) {
                self.ended = Some(now);
                break;
            }
            if scheduled > now {
                break;
            }
            let Some(number) = self.idle.pop() else {
                break;
            };
            if let Pace::AtMost(_) = self.load.pace {
                scheduled = now;
            }
            let webhook = self.sent;
            self.sent += 1;
            let under_way = UnderWay { webhook, scheduled };
            if self.send(number, under_way).is_err() {
                self.replace(number, Some(under_way))?;
            }
        }
        Ok(())
    }

    /// How long until the next request is due, if it waits for nothing else.
    fn until_next(&self) -> Option<Duration> {
        if self.ended.is_some() || self.idle.is_empty() {
            return None;
        }
        let next = self.scheduled(self.sent)?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn send(&mut self, number: usize, under_way: UnderWay) -> std::io::Result<()> {
        let id = self.answers.ids.text(under_way.webhook);
        let [head, body] = self.requests.request(&id);
        let segments = match self.load.apart {
            true => vec![head, body],
            false => vec![head + &body],
        };
        self.connections[number].send(&segments, under_way)
    }

    /// The server closes connections that rest for long. What was sent on one at that very moment is sent again, as any
    /// sender would.
    fn replace(&mut self, number: usize, under_way: Option<UnderWay>) -> Result<()> {
        let connection = open(self.address, self.load.sender, &self.events, number)?;
        self.connections[number] = connection;
        let sent = under_way.map(|under_way| self.send(number, under_way));
        sent.transpose()?;
        Ok(())
    }

    fn receive(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        let news = connection.receive()?;
        if news == News::Nothing {
            return Ok(());
        }
        let under_way = connection.under_way.take();
        if news == News::Closed {
            return self.replace(number, under_way);
        }
        self.idle.push(number);
        let under_way = under_way.context("the service answered what nobody had asked")?;
        let now = Instant::now();
        let answers = &mut self.answers;
        let latency = u64::try_from(now.duration_since(under_way.scheduled).as_micros())?;
        answers.latency.saturating_record(latency);
        let slowest = at(&mut answers.slowest, under_way.scheduled - self.began);
        *slowest = latency.max(*slowest);
        if news == News::Later {
            answers.later.push(under_way.webhook);
        } else {
            answers.accepted += 1;
            *at(&mut answers.per_second, now - self.began) += 1;
        }
        Ok(())
    }
}

/// The element of the second in which `time` lies.
fn at(seconds: &mut Vec<u64>, time: Duration) -> &mut u64 {
    let second = time.as_secs() as usize;
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    &mut seconds[second]
}
