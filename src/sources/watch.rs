//! Sources while the process runs: their files are read again, and what has changed is swapped in as one snapshot.
//!
//! What is wrong after the start closes nothing. A file that cannot be read keeps what was last good of it; a source that
//! cannot be made anew stays what it was; and all is told, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{Sender, Sources};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    assembly::{DOCUMENT, Given},
    build::{Built, Warning},
    declaration::Declaration,
    told::{self, Line},
    variables::Variables,
};
use crate::{
    config::{BadSetting, Config},
    reread::{self, Faults, Files},
};

/// Keeps the sources as their files say.
pub struct Watch {
    given: Given,
    files: Files,
    declarations: Vec<Declaration>,
    told: Told,
    /// The present ones, for whoever judges requests.
    present: watch::Sender<Arc<Sources>>,
}

/// What the log has been told.
#[derive(Default)]
struct Told {
    faults: Faults,
    warnings: BTreeSet<Warning>,
    lines: BTreeSet<Line>,
}

impl Watch {
    /// Reads and builds all sources, or says what is wrong with one.
    pub fn start(config: &Config) -> Result<Self, BadSetting> {
        let given = Given {
            file: config.sources_file.clone(),
            variables: Variables::of_process(),
        };
        Self::of(given).map_err(BadSetting)
    }

    fn of(given: Given) -> Result<Self, String> {
        let (mut files, mut faults) = (Files::default(), Faults::new());
        let declarations = given.declarations(&mut files, &mut faults)?;
        let built = given.build(&declarations, &mut files, &mut faults);
        let built = built.into_iter().map(|(_, built)| built);
        let built: Vec<Built> = built.collect::<Result<_, _>>()?;
        let mut told = Told::default();
        told.tell(&built, faults);
        let senders = built.into_iter().map(|built| built.sender);
        let present = Arc::new(Sources::new(senders, Vec::new()));
        Ok(Self {
            declarations,
            told,
            given,
            files,
            present: watch::Sender::new(present),
        })
    }

    /// Where the present sources are.
    pub fn sources(&self) -> watch::Receiver<Arc<Sources>> {
        self.present.subscribe()
    }

    /// Looks again and again, until `stop`.
    pub async fn run(self, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
        reread::run(self, every, |watch| watch.look(reread::settle), stop).await
    }

    /// Reads everything again, and swaps in what has changed and is the same after `settle`.
    fn look(&mut self, settle: impl FnOnce()) {
        let Some(mut files) = self.files.changed(settle) else {
            return;
        };
        let changed = files.new_since(&self.files);
        let changed: Vec<_> = changed
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        files.begin();
        let mut faults = Faults::new();
        match self.given.declarations(&mut files, &mut faults) {
            Ok(declarations) => self.declarations = declarations,
            Err(sentence) => {
                faults.insert(DOCUMENT.into(), sentence);
            }
        }
        let built = self
            .given
            .build(&self.declarations, &mut files, &mut faults);
        let before = self.present.borrow().clone();
        let mut senders: BTreeMap<&str, Arc<Sender>> = BTreeMap::new();
        let mut good = Vec::new();
        for (declaration, built) in built {
            let name = declaration.name.as_str();
            match built {
                Ok(built) => {
                    senders.insert(name, built.sender.clone());
                    good.push(built);
                }
                Err(sentence) => {
                    faults.insert(declaration.told(), sentence);
                    let last = before.get(name).cloned();
                    senders.extend(last.map(|last| (name, last)));
                }
            }
        }
        let sentences = faults.values().cloned().collect();
        let present = before.followed_by(senders.into_values(), sentences);
        if !changed.is_empty() {
            told::log_swapped(present.iter().len(), &changed.join(", "));
        }
        self.present.send_replace(Arc::new(present));
        self.told.tell(&good, faults);
        files.end();
        self.files = files;
    }
}

impl Told {
    /// Tells what has not been told.
    fn tell(&mut self, built: &[Built], faults: Faults) {
        let lines: BTreeSet<Line> = built.iter().map(Line::of).collect();
        lines.difference(&self.lines).for_each(Line::log);
        let warnings = built
            .iter()
            .flat_map(|built| built.warnings.iter().cloned());
        let warnings: BTreeSet<Warning> = warnings.collect();
        warnings.difference(&self.warnings).for_each(Warning::log);
        reread::new_sentences(&self.faults, &faults).for_each(told::log_fault);
        reread::mended(&self.faults, &faults).for_each(told::log_mended);
        *self = Self {
            faults,
            warnings,
            lines,
        };
    }
}

#[cfg(test)]
mod tests;
