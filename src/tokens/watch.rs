//! Tokens while the process runs: their files are read again, and what has changed is swapped in as one snapshot.
//!
//! What is wrong after the start opens nothing and closes nothing: what was last good stands, and the log is told, once.

use std::{sync::Arc, time::Duration};

use api::Tokens;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::assembly::All;
use crate::{
    config::{BadSetting, Config},
    reread::{self, Faults, Files},
};

/// Keeps the tokens as their files say.
pub struct Watch {
    all: All,
    files: Files,
    /// What the log has been told.
    told: Faults,
    /// The present ones, for whoever lets somebody in.
    present: watch::Sender<Arc<Tokens>>,
}

/// What the sentence is about that says why all that is given together is of no use.
const TOGETHER: &str = "tokens";

impl Watch {
    /// Reads all tokens, or says what is wrong with them.
    pub fn start(config: &Config) -> Result<Self, BadSetting> {
        Self::of(All::of(config)).map_err(BadSetting)
    }

    fn of(all: All) -> Result<Self, String> {
        let (mut files, mut faults) = (Files::default(), Faults::new());
        let tokens = all.tokens(&mut files, &mut faults)?;
        Ok(Self {
            all,
            files,
            told: faults,
            present: watch::Sender::new(Arc::new(tokens)),
        })
    }

    /// Where the present tokens are.
    pub fn tokens(&self) -> watch::Receiver<Arc<Tokens>> {
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
        let is_new = !files.new_since(&self.files).is_empty();
        let mut faults = Faults::new();
        match self.all.tokens(&mut files, &mut faults) {
            Ok(tokens) => {
                self.present.send_replace(Arc::new(tokens));
                if is_new {
                    tracing::info!(
                        event = "tokens_swapped",
                        "what has changed in the files of tokens is in use"
                    );
                }
            }
            Err(sentence) => {
                faults.insert(TOGETHER.to_owned(), sentence);
                let sentences = faults.values().cloned().collect();
                let present = self.present.borrow().with_faults(sentences);
                self.present.send_replace(Arc::new(present));
            }
        }
        self.tell(faults);
        self.files = files;
    }

    /// Tells what has not been told.
    fn tell(&mut self, faults: Faults) {
        for sentence in reread::new_sentences(&self.told, &faults) {
            tracing::error!(
                event = "tokens_not_read_again",
                "{sentence}; what was last good stays in use, and a restart would fail"
            );
        }
        for about in reread::mended(&self.told, &faults) {
            tracing::info!(
                event = "tokens_read_again",
                "{about}: it is as it should be again"
            );
        }
        self.told = faults;
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::tokens::assembly::scene;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    /// The names of those who may do everything, and what is wrong.
    fn present(watch: &Watch) -> (String, Vec<String>) {
        let tokens = watch.tokens().borrow().clone();
        (format!("{tokens:?}"), tokens.faults().to_vec())
    }

    fn watch(file: &Path, content: &str) -> Watch {
        fs::write(file, content).unwrap();
        let all = scene("", &format!("always:{ONE}x"), [None, Some(file.to_owned())]);
        Watch::of(all).unwrap()
    }

    #[test]
    fn a_new_token_is_swapped_in_and_an_old_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let mut watch = watch(&file, &format!("anna:{ONE}"));
        fs::write(&file, format!("bert:{OTHER}")).unwrap();
        watch.look(|| {});
        let (shown, faults) = present(&watch);
        assert!(
            shown.contains("bert") && shown.contains("always"),
            "{shown}"
        );
        assert!(!shown.contains("anna") && faults.is_empty(), "{shown}");
    }

    #[test]
    fn what_was_last_good_stands_while_a_file_is_of_no_use() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let mut watch = watch(&file, &format!("anna:{ONE}"));
        let look = |watch: &mut Watch, said: &str| {
            watch.look(|| {});
            let (shown, faults) = present(watch);
            assert!(
                shown.contains("anna") && shown.contains("always"),
                "{shown}"
            );
            assert_eq!(faults.len(), usize::from(!said.is_empty()), "{faults:?}");
            assert!(
                faults.iter().all(|fault| fault.contains(said)),
                "{faults:?}"
            );
            assert_eq!(watch.told.len(), faults.len());
        };
        fs::remove_file(&file).unwrap();
        look(&mut watch, "does not exist");
        fs::write(&file, "short").unwrap();
        look(&mut watch, "must have a token on each line");
        fs::write(&file, format!("anna:{OTHER}\nanna:{ONE}")).unwrap();
        look(&mut watch, "a name that another has");
        fs::write(&file, format!("anna:{OTHER}")).unwrap();
        look(&mut watch, "");
    }

    #[test]
    fn what_is_still_being_written_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let mut watch = watch(&file, &format!("anna:{ONE}"));
        fs::write(&file, format!("bert:{OTHER}")).unwrap();
        watch.look(|| fs::write(&file, format!("bert:{OTHER}\ncarl:{ONE}")).unwrap());
        assert!(present(&watch).0.contains("anna"));
        watch.look(|| {});
        assert!(present(&watch).0.contains("carl"));
    }
}
