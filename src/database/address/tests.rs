//! Addresses as people and providers write them.

use super::Address;

/// What an address is read as: where it is, and the parameters for the library, decoded.
fn read(text: &str, environment: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
    let address = parse(text, environment).unwrap_or_else(|error| panic!("{text}: {error}"));
    let (_, query) = address.url().split_once('?').unwrap_or_default();
    (address.to_string(), super::parts::pairs(query).unwrap())
}

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Address, String> {
    Address::parse_with(text, |name| {
        let found = environment.iter().find(|(variable, _)| *variable == name);
        // No test depends on the files of whoever runs it.
        let no_file = (name == "PGPASSFILE").then(|| "/nonexistent".to_owned());
        found.map(|(_, value)| (*value).to_owned()).or(no_file)
    })
}

#[track_caller]
fn has(text: &str, environment: &[(&str, &str)], place: &str, expected: &[(&str, &str)]) {
    let (told, parameters) = read(text, environment);
    assert_eq!(told, format!("PostgreSQL {place}"), "{text}");
    for (name, value) in expected {
        let found = parameters.iter().find(|(found, _)| found == name);
        assert_eq!(
            found.map(|(_, value)| value.as_str()),
            Some(*value),
            "{text}: {name}"
        );
    }
}

#[track_caller]
fn refused(text: &str, environment: &[(&str, &str)], right: &str) {
    let Err(error) = parse(text, environment) else {
        panic!("{text} was not refused");
    };
    assert!(error.contains(right), "{text}: {error}");
    assert!(!error.contains("hunter"), "{text}: {error}");
}

#[test]
fn what_providers_hand_out_is_understood() {
    has(
        "postgresql://owner:npg_x@ep-a-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
        &[],
        "ep-a-1-pooler.eu-central-1.aws.neon.tech:5432/neondb",
        &[
            ("user", "owner"),
            ("password", "npg_x"),
            ("sslmode", "require"),
        ],
    );
    has(
        "postgres://owner:p@ep-a-1.neon.tech/neondb?options=endpoint%3Dep-a-1&sslmode=verify-full&sslrootcert=system",
        &[],
        "ep-a-1.neon.tech:5432/neondb",
        &[("options", "endpoint=ep-a-1"), ("sslmode", "verify-full")],
    );
    has(
        "postgresql://postgres.abcd:p%40ss@aws-0-eu.pooler.supabase.com:5432/postgres?pgbouncer=true",
        &[],
        "aws-0-eu.pooler.supabase.com:5432/postgres",
        &[
            ("user", "postgres.abcd"),
            ("password", "p@ss"),
            ("sslmode", "prefer"),
        ],
    );
    has(
        "postgres://avnadmin:AVNS_x@pg-1.aivencloud.com:12691/defaultdb?sslmode=require",
        &[],
        "pg-1.aivencloud.com:12691/defaultdb",
        &[("port", "12691")],
    );
    has(
        "postgres://u1:p2@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d3",
        &[],
        "ec2-1-2-3-4.compute-1.amazonaws.com:5432/d3",
        &[],
    );
    has(
        "postgresql://me:p@x.rds.amazonaws.com/db?sslmode=verify-full&sslrootcert=/etc/global-bundle.pem",
        &[],
        "x.rds.amazonaws.com:5432/db",
        &[("sslrootcert", "/etc/global-bundle.pem")],
    );
    has(
        "postgres://me%40srv:p@srv.postgres.database.azure.com/db?sslmode=require",
        &[],
        "srv.postgres.database.azure.com:5432/db",
        &[("user", "me@srv")],
    );
}

#[test]
fn every_way_to_name_the_server_is_understood() {
    for (text, place) in [
        ("postgres://me@[::1]:5433/db", "[::1]:5433/db"),
        ("postgres://me@[2001:db8::2]/db", "[2001:db8::2]:5432/db"),
        ("postgres://me@/db?host=::1&port=5433", "[::1]:5433/db"),
        ("postgres://me@/db?hostaddr=10.0.0.1", "10.0.0.1:5432/db"),
        (
            "postgres:///db?host=/var/run/pg&user=me",
            "/var/run/pg:5432/db",
        ),
        ("postgres://me@%2Fvar%2Frun%2Fpg/db", "/var/run/pg:5432/db"),
        ("POSTGRESQL://me@h/db/", "h:5432/db"),
        ("postgres://me@h:/db", "h:5432/db"),
        ("postgres://me@h", "h:5432/me"),
        ("postgres://me@h/", "h:5432/me"),
        ("postgres://me@h/?dbname=other", "h:5432/other"),
        ("postgres://me@h/a%2Fb", "h:5432/a/b"),
    ] {
        has(text, &[], place, &[("user", "me")]);
    }
}

#[test]
fn a_password_is_what_was_meant() {
    for (written, meant) in [
        ("p%40ss%2Fw%3Fo%23r%25d", "p@ss/w?o#r%d"),
        ("p@ss", "p@ss"),
        ("a:b", "a:b"),
        ("100%", "100%"),
        ("a+b", "a+b"),
        ("%C3%BC", "ü"),
        ("", ""),
    ] {
        let text = format!("postgres://me:{written}@h/db");
        has(&text, &[], "h:5432/db", &[("password", meant)]);
    }
    has(
        "postgres://me@h/db?password=a%26b",
        &[],
        "h:5432/db",
        &[("password", "a&b")],
    );
}

#[test]
fn options_reach_the_server_as_they_were_meant() {
    for (query, options) in [
        ("options=-c%20search_path%3Dapp", "-c search_path=app"),
        ("options=-c+search_path%3Dapp", "-c search_path=app"),
        ("options[search_path]=a%20b", r"-c search_path=a\ b"),
        (
            "options=endpoint%3De&options[geqo]=off",
            "endpoint=e -c geqo=off",
        ),
    ] {
        let text = format!("postgres://me@h/db?{query}");
        has(&text, &[], "h:5432/db", &[("options", options)]);
    }
}

#[test]
fn what_is_not_understood_is_named_and_its_value_is_not() {
    let text = "postgres://me@h/db?pass=hunter2&keepalives=1&channel_binding=require&application_name=x&gssencmode=disable";
    let address = parse(text, &[]).unwrap();
    let expected = "without effect: pass, keepalives, channel_binding, application_name";
    assert_eq!(address.notes, [expected]);
}

#[test]
fn what_would_be_passed_over_to_somebodys_harm_is_refused() {
    for (query, right) in [
        ("ssl=true", "sslmode=require"),
        ("ssl=0", "sslmode=require"),
        ("SSLMODE=require", "sslmode=require"),
        ("useSSL=true", "sslmode=require"),
        ("tls=1", "sslmode=require"),
        ("sslaccept=strict", "sslmode=require"),
        ("require_auth=scram-sha-256", "sslmode=require"),
        ("sslpassword=hunter2", "no password"),
        ("sslmode=no-verify", "verify-full"),
        ("sslmode=", "verify-full"),
        ("sslnegotiation=direct", "postgres"),
        ("ssl_min_protocol_version=TLSv1.3", "TLSv1.2"),
        ("sslrootcert=system&sslmode=require", "verify-full"),
        ("gssencmode=require", "prefer"),
        ("schema=app", "options=-c%20search_path%3D"),
        ("currentSchema=app", "options=-c%20search_path%3D"),
        ("search_path=app", "options=-c%20search_path%3D"),
        ("target_session_attrs=standby", "read-write"),
        ("connect_timeout=soon", "seconds"),
        ("connect_timeout=-1", "seconds"),
        ("port=0", "65535"),
        ("hostaddr=h", "IP address"),
        ("service=prod", "host, user and database"),
        ("hunter2", "NAME=VALUE"),
        ("hunter!2=x", "NAME=VALUE"),
        ("=hunter2", "NAME=VALUE"),
    ] {
        refused(&format!("postgres://me@h/db?{query}"), &[], right);
    }
    refused(
        "postgres://me@h/db?hostaddr=10.0.0.1",
        &[],
        "either host or hostaddr",
    );
}

#[test]
fn what_cannot_be_an_address_is_refused() {
    for (text, right) in [
        ("", "sqlite:, postgres://"),
        ("hookline.db", "sqlite:, postgres://"),
        ("file:hookline.db", "sqlite:, postgres://"),
        ("mysql://me:hunter2@h/db", "sqlite:, postgres://"),
        ("jdbc:postgresql://h/db", "sqlite:, postgres://"),
        (
            "postgresql+asyncpg://me:hunter2@h/db",
            "sqlite:, postgres://",
        ),
        ("postgres:me:hunter2@h/db", "sqlite:, postgres://"),
        ("host=h dbname=db password=hunter2", "sqlite:, postgres://"),
        ("postgres://me@h1,h2/db", "one host"),
        ("postgres://me@h1:1,h2:2/db", "one host"),
        ("postgres://me@/db?host=h1,h2", "one host"),
        ("postgres://me@::1/db", "brackets"),
        ("postgres://me@[::1/db", "brackets"),
        ("postgres://me@[h]/db", "brackets"),
        ("postgres://me@h:99999/db", "65535"),
        ("postgres://me@h:port/db", "65535"),
        ("postgres://me@h/db/more", "nothing but the database"),
        ("postgres://me:hunter/2@h/db", "%2F"),
        ("postgres://me:hunter?2@h/db", "%3F"),
        ("postgres://me:hunter#2@h/db", "%23"),
        ("postgres://me:hunter\n2@h/db", "control characters"),
        ("postgres://me:hunter%002@h/db", "control characters"),
        ("postgres://me:hunter%FF@h/db", "UTF-8"),
    ] {
        refused(text, &[], right);
    }
}

#[test]
fn variables_fill_in_what_is_left_out_and_no_more() {
    let environment = &[
        ("PGHOST", "other"),
        ("PGPORT", "5433"),
        ("PGUSER", "you"),
        ("PGPASSWORD", "theirs"),
        ("PGDATABASE", "elsewhere"),
        ("PGSSLMODE", "require"),
    ];
    has(
        "postgres://",
        environment,
        "other:5433/elsewhere",
        &[
            ("user", "you"),
            ("password", "theirs"),
            ("sslmode", "require"),
        ],
    );
    has(
        "postgres://me:mine@h:5432/db?sslmode=disable",
        environment,
        "h:5432/db",
        &[("user", "me"), ("password", "mine"), ("sslmode", "disable")],
    );
    let filled_in = parse("postgres://me@h/db", environment).unwrap().filled_in;
    let expected = ["PGPORT", "PGPASSWORD", "PGPASSFILE", "PGSSLMODE"];
    assert_eq!(filled_in, expected);
    has(
        "postgres://me@h/db",
        &[("PGHOSTADDR", "10.0.0.1")],
        "h:5432/db",
        &[],
    );
    has(
        "postgres://me@/db",
        &[("PGHOSTADDR", "10.0.0.1")],
        "10.0.0.1:5432/db",
        &[],
    );
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    for (variable, value) in [
        ("PGSSLMODE", "verify_full"),
        ("PGPORT", "hunter2"),
        ("PGGSSENCMODE", "require"),
    ] {
        refused("postgres://me@h/db", &[(variable, value)], variable);
    }
    refused("postgres://me@/db", &[("PGHOST", "h1,h2")], "one host");
}

#[test]
fn on_a_socket_there_is_no_tls_to_ask_for() {
    let text = "postgres://me@/db?host=/var/run/pg&sslmode=require";
    has(text, &[], "/var/run/pg:5432/db", &[("sslmode", "disable")]);
}

#[test]
fn a_sqlite_file_is_told_by_its_whole_path() {
    let here = std::env::current_dir().unwrap();
    let here = here.display();
    for (text, url, path) in [
        ("sqlite:x.db", "sqlite:x.db", format!("{here}/x.db")),
        ("sqlite://x.db", "sqlite:x.db", format!("{here}/x.db")),
        (
            "SQLITE:a/x.db?mode=rwc",
            "sqlite:a/x.db",
            format!("{here}/a/x.db"),
        ),
        ("sqlite:/var/x.db", "sqlite:/var/x.db", "/var/x.db".into()),
        ("sqlite:///var/x.db", "sqlite:/var/x.db", "/var/x.db".into()),
        (
            "sqlite:/a%3Fb#c d.db",
            "sqlite:/a%3Fb%23c%20d.db",
            "/a?b#c d.db".into(),
        ),
    ] {
        let address = parse(text, &[]).unwrap();
        assert_eq!(address.url(), url);
        assert_eq!(address.to_string(), format!("SQLite {path}"));
    }
    let must_exist = |text| parse(text, &[]).unwrap().must_exist().is_some();
    assert!(must_exist("sqlite:x.db?mode=rw") && !must_exist("sqlite:x.db?mode=rwc"));
    let notes = parse("sqlite:x.db?connection_limit=1", &[]).unwrap().notes;
    assert_eq!(notes, ["without effect: connection_limit"]);
}

#[test]
fn a_sqlite_database_that_would_forget_is_refused() {
    for (text, right) in [
        ("sqlite::memory:", "in memory"),
        ("sqlite://:memory:", "in memory"),
        ("sqlite:x.db?mode=memory", "in memory"),
        ("sqlite:file:x?mode=memory", "the file itself"),
        ("sqlite:file:x%3Fmode=memory", "the file itself"),
        ("sqlite:", "a file"),
        ("sqlite://", "a file"),
        ("sqlite:?mode=rwc", "a file"),
        ("sqlite:x.db?mode=ro", "mode=rwc"),
        ("sqlite:x.db?mode=hunter2", "mode=rwc"),
        ("sqlite:x.db?immutable=1", "immutable"),
        ("sqlite:x.db?cache=shared", "cache=private"),
        ("sqlite:x.db?vfs=unix-none", "vfs"),
        ("sqlite:x\0.db", "control"),
    ] {
        refused(text, &[], right);
    }
}
