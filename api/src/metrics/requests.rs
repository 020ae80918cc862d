//! How long every request took, by where it led: `http.server.request.duration` of OpenTelemetry's semantic conventions.

use std::{fmt, sync::OnceLock, time::Duration};

use meter::{Buckets, Histogram, Page};
use poem::http::{Method, StatusCode};

use crate::paths;

/// As the conventions advise.
const TOOK: Buckets = Buckets::micros(&[
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
]);
/// Whoever makes up methods, statuses and paths gets no series for each.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "_OTHER"];
const STATUSES: [u16; 18] = [
    200, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 500, 503,
];
/// For what leads nowhere, and for a status that is none of these.
const OTHER: &str = "_OTHER";

const BUILT_IN: Route = Route(0);
const SOURCES: Route = Route(1);

/// Where a path leads: a place in the list of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route(usize);

pub(crate) struct Requests {
    /// The routes as they are documented; the last is for what leads nowhere.
    routes: Vec<String>,
    /// By route, method and status, made when it is first needed.
    took: Box<[OnceLock<Box<Histogram>>]>,
}

impl Requests {
    /// Of these routes, beside those of webhooks. A segment in braces stands for any.
    pub(crate) fn new(routes: impl IntoIterator<Item = String>) -> Self {
        let webhooks = [paths::WEBHOOKS.to_owned(), paths::OF_A_SOURCE.to_owned()];
        let others = routes.into_iter().filter(|route| !webhooks.contains(route));
        let mut all = webhooks.to_vec();
        all.extend(others);
        all.push(OTHER.to_owned());
        let cells = all.len() * METHODS.len() * (STATUSES.len() + 1);
        Self {
            routes: all,
            took: (0..cells).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Where a path leads.
    pub(crate) fn route(&self, path: &str) -> Route {
        if path == paths::WEBHOOKS {
            return BUILT_IN;
        }
        let path = paths::tidy(path);
        if path == paths::WEBHOOKS {
            return BUILT_IN;
        }
        if paths::tidy_source(&path).is_some() {
            return SOURCES;
        }
        let nowhere = self.routes.len() - 1;
        let mut others = self.routes[..nowhere].iter();
        Route(
            others
                .position(|route| leads(route, &path))
                .unwrap_or(nowhere),
        )
    }

    /// A request was answered so, after so long.
    pub(crate) fn answered(
        &self,
        Route(route): Route,
        method: &Method,
        status: StatusCode,
        after: Duration,
    ) {
        let method = METHODS.iter().position(|known| method == *known);
        let method = method.unwrap_or(METHODS.len() - 1);
        let status = STATUSES.binary_search(&status.as_u16());
        let status = status.unwrap_or(STATUSES.len());
        let cell = (route * METHODS.len() + method) * (STATUSES.len() + 1) + status;
        let took = self.took[cell].get_or_init(|| Box::new(Histogram::new(TOOK)));
        took.took(after);
    }

    pub(crate) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let statuses = STATUSES.map(|status| status.to_string());
        let statuses: Vec<&str> = (statuses.iter().map(String::as_str))
            .chain([OTHER])
            .collect();
        let cells = self.took.iter().enumerate();
        let cells = cells.filter_map(|(cell, took)| {
            let (at, status) = (cell / statuses.len(), cell % statuses.len());
            let labels = [
                ("http_request_method", METHODS[at % METHODS.len()]),
                ("url_scheme", "http"),
                ("http_route", self.routes[at / METHODS.len()].as_str()),
                ("http_response_status_code", statuses[status]),
            ];
            Some((labels, took.get()?.snapshot()))
        });
        let name = "http_server_request_duration_seconds";
        page.histograms(
            (
                name,
                "How long requests took, from their head to their answer",
            ),
            cells,
        )
    }
}

/// Whether a path leads along a route.
fn leads(route: &str, path: &str) -> bool {
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (None, None) => return true,
            (Some(expected), Some(segment)) if expected == segment => {}
            (Some(expected), Some(segment)) if expected.starts_with('{') && !segment.is_empty() => {
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use meter::{Figures, Format, Registry};

    use super::*;

    impl Figures for Requests {
        fn write(&self, page: &mut Page<'_>) -> fmt::Result {
            self.write(page)
        }
    }

    fn requests() -> Requests {
        let routes = ["/", "/v1/transactions", "/v1/transactions/{transaction_id}"];
        Requests::new(routes.map(str::to_owned))
    }

    #[test]
    fn a_path_leads_along_the_route_that_is_documented() {
        let requests = requests();
        for (path, route) in [
            ("/v1/webhooks/transactions", "/v1/webhooks/transactions"),
            ("/v1/webhooks//transactions/", "/v1/webhooks/transactions"),
            ("/v1/webhooks/stripe", "/v1/webhooks/{source}"),
            ("/v1/webhooks/made-up", "/v1/webhooks/{source}"),
            ("/", "/"),
            ("/v1/transactions", "/v1/transactions"),
            (
                "/v1/transactions/txn_1/",
                "/v1/transactions/{transaction_id}",
            ),
            ("/v1/transactions/a/b", OTHER),
            ("/wp-admin.php", OTHER),
            ("*", OTHER),
        ] {
            let Route(found) = requests.route(path);
            assert_eq!(requests.routes[found], route, "{path}");
        }
    }

    #[test]
    fn what_is_made_up_has_one_series_together() {
        let requests = std::sync::Arc::new(requests());
        let took = Duration::from_millis(7);
        for (method, status) in [("BREW", 418), ("WHEN", 299), ("POST", 202)] {
            let route = requests.route(&format!("/{method}"));
            let status = StatusCode::from_u16(status).unwrap();
            requests.answered(route, &method.parse().unwrap(), status, took);
        }
        let registry = Registry::default();
        registry.add(requests);
        let text = registry.text(Format::Prometheus).unwrap();
        let counts: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("_count{"))
            .collect();
        let series = |method: &str, status: &str, count: u64| {
            format!(
                "http_server_request_duration_seconds_count{{http_request_method=\"{method}\",url_scheme=\"http\",\
                 http_route=\"_OTHER\",http_response_status_code=\"{status}\"}} {count}"
            )
        };
        assert_eq!(counts, [series("POST", "202", 1), series(OTHER, OTHER, 2)]);
    }
}
