//! The generator's loop.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail, ensure};
use indicatif::ProgressBar;

use super::{
    amount::{Load, Pace},
    answers::Answers,
    connection::{Answer, Connection, News, UnderWay},
    events::Events,
    webhook::Request,
};

/// How long the last answers may take after the last request.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);
/// From this many requests per second on they leave, and answers are read, a group at a time: waking up for each would
/// take a machine that everything shares more time than sending it. What leaves late for that counts as slower.
const GROUPED_FROM: f64 = 5_000.0;
/// From one group to the next. With more to read than it takes at once, the generator is behind and does not rest.
const GROUP_EVERY: Duration = Duration::from_millis(1);
/// Answers between two updates of the progress bar.
const SHOW_EVERY: u64 = 512;

struct Generator {
    load: Load,
    request: Request,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    sent: u64,
    began: Instant,
    /// When the last request was sent.
    ended: Option<Instant>,
    answers: Answers,
}

/// Applies the load on this thread.
pub(super) fn run(load: Load, progress: &ProgressBar) -> Result<Answers> {
    let mut events = Events::new()?;
    let mut connections = Vec::with_capacity(load.connections);
    for number in 0..load.connections {
        let connection = Connection::open(load.address)?;
        events.watch(&connection, number)?;
        connections.push(connection);
    }
    let mut generator = Generator {
        idle: (0..connections.len()).rev().collect(),
        load,
        request: Request::new(),
        connections,
        sent: 0,
        began: Instant::now(),
        ended: None,
        answers: Answers::new()?,
    };
    generator.answers.began = SystemTime::now();
    generator.drive(&mut events, progress)?;
    generator.answers.took = generator.began.elapsed();
    Ok(generator.answers)
}

impl Generator {
    fn drive(&mut self, events: &mut Events, progress: &ProgressBar) -> Result<()> {
        let mut readable = Vec::new();
        loop {
            self.send_what_is_due(events)?;
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
            let grouped = self.rate().is_some_and(|rate| rate >= GROUPED_FROM);
            if grouped && !events.may_have_more() {
                std::thread::sleep(GROUP_EVERY);
            }
            events.wait(self.until_next(), &mut readable)?;
            for number in readable.drain(..) {
                self.receive(number, events, progress)?;
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

    fn send_what_is_due(&mut self, events: &Events) -> Result<()> {
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
            self.send(number, UnderWay { webhook, scheduled }, events)?;
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

    /// Sends on connection `number`, on a new one in its place if the server has closed it.
    fn send(&mut self, number: usize, under_way: UnderWay, events: &Events) -> Result<()> {
        let request = self
            .request
            .parts(self.load.ids.digits(under_way.webhook), self.load.apart);
        if self.connections[number].send(request, under_way).is_err() {
            self.replace(number, Some(under_way), events)?;
        }
        Ok(())
    }

    /// The server closes connections that rest for long. What was sent on one at that very moment is sent again, as any
    /// sender would.
    fn replace(
        &mut self,
        number: usize,
        under_way: Option<UnderWay>,
        events: &Events,
    ) -> Result<()> {
        let mut connection = Connection::open(self.load.address)?;
        events.watch(&connection, number)?;
        if let Some(under_way) = under_way {
            let request = self
                .request
                .parts(self.load.ids.digits(under_way.webhook), self.load.apart);
            connection.send(request, under_way)?;
        }
        self.connections[number] = connection;
        Ok(())
    }

    fn receive(&mut self, number: usize, events: &Events, progress: &ProgressBar) -> Result<()> {
        let connection = &mut self.connections[number];
        let answer = match connection.receive()? {
            News::Nothing => return Ok(()),
            News::Closed => {
                let under_way = connection.under_way;
                return self.replace(number, under_way, events);
            }
            News::Answer(answer) => answer,
        };
        let Some(under_way) = connection.under_way.take() else {
            bail!("the service answered what nobody had asked");
        };
        self.idle.push(number);
        self.note(answer, under_way)?;
        if self.answers.latency.len().is_multiple_of(SHOW_EVERY) {
            progress.set_position(self.answers.accepted);
        }
        Ok(())
    }

    fn note(&mut self, answer: Answer, under_way: UnderWay) -> Result<()> {
        let now = Instant::now();
        let answers = &mut self.answers;
        let latency = now.duration_since(under_way.scheduled).as_micros();
        let latency = u64::try_from(latency)?;
        answers.latency.saturating_record(latency);
        let slowest = at(&mut answers.slowest, under_way.scheduled - self.began);
        *slowest = latency.max(*slowest);
        match answer {
            Answer::Accepted => {
                answers.accepted += 1;
                *at(&mut answers.per_second, now - self.began) += 1;
            }
            Answer::Later => answers.later.push(under_way.webhook),
            Answer::Wrong(what) => bail!("the service answered: {what}"),
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
