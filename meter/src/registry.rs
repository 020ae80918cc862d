//! Who has figures, and all of them as one text.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text, text},
};

use crate::Page;

/// Somebody's figures. Each family is one's own: two that write the same make a text that cannot be read.
pub trait Figures: Send + Sync + 'static {
    /// Writes them as they are now. Called at each scrape, on a thread that answers others, too: it must not wait.
    fn write(&self, page: &mut Page<'_>) -> fmt::Result;
}

/// All figures of a process. Cheap to clone; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<RwLock<prometheus_client::registry::Registry>>);

/// How they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Registry {
    /// From now on these are written, too.
    pub fn add(&self, figures: Arc<impl Figures>) {
        let mut registry = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Collected(figures)));
    }

    /// All figures, as they are now.
    pub fn text(&self, format: Format) -> Result<String, fmt::Error> {
        let registry = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut page = String::new();
        match format {
            Format::Prometheus => prometheus_text::encode(&mut page, &registry)?,
            Format::OpenMetrics => text::encode(&mut page, &registry)?,
        }
        Ok(page)
    }
}

struct Collected<F>(Arc<F>);

impl<F: Figures> Collector for Collected<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Page(encoder))
    }
}

impl<F> fmt::Debug for Collected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Buckets, Counter, Histogram};

    struct Example {
        came: [Counter; 2],
        took: Histogram,
    }

    impl Figures for Example {
        fn write(&self, page: &mut Page<'_>) -> fmt::Result {
            let came = [("a", &self.came[0]), ("b \"c\"\n", &self.came[1])];
            page.counters(
                ("came", "What came"),
                came.map(|(from, came)| ([("from", from)], came.get())),
            )?;
            page.gauges(("there", "What is there"), [([], 1.5)])?;
            page.histograms(
                ("took_seconds", "How long it took"),
                [([("how", "fast")], self.took.snapshot())],
            )?;
            page.gauges::<0>(("nobody", "Where there is nothing"), [])
        }
    }

    #[test]
    fn each_family_is_written_once_with_all_its_figures() {
        let example = Arc::new(Example {
            came: Default::default(),
            took: Histogram::new(Buckets::micros(&[10_000])),
        });
        let registry = Registry::default();
        registry.add(example.clone());
        example.came[1].add(2);
        example.took.observe(500_000);
        let text = "# HELP came_total What came\n\
             # TYPE came_total counter\n\
             came_total{from=\"a\"} 0\n\
             came_total{from=\"b \\\"c\\\"\\n\"} 2\n\
             # HELP there What is there\n\
             # TYPE there gauge\n\
             there 1.5\n\
             # HELP took_seconds How long it took\n\
             # TYPE took_seconds histogram\n\
             took_seconds_bucket{how=\"fast\",le=\"0.01\"} 0\n\
             took_seconds_bucket{how=\"fast\",le=\"+Inf\"} 1\n\
             took_seconds_sum{how=\"fast\"} 0.5\n\
             took_seconds_count{how=\"fast\"} 1\n";
        assert_eq!(registry.text(Format::Prometheus).unwrap(), text);
        let open = registry.text(Format::OpenMetrics).unwrap();
        assert!(open.ends_with("# EOF\n"), "{open}");
        assert!(open.contains("# TYPE came counter\n"), "{open}");
    }
}
