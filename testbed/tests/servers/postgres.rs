use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};
use testbed::{
    postgres::{Options, Server, create_database, drop_database},
    tls::Certificates,
};

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn what_was_committed_survives_a_crash_and_a_stop() {
    let mut server = Server::start(Options::default()).await.unwrap();
    let url = server.create_database().await.unwrap();
    let connection = Database::connect(&url).await.unwrap();
    connection
        .execute_unprepared("CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)")
        .await
        .unwrap();

    server.kill().await.unwrap();
    assert!(connection.ping().await.is_err());
    server.start_again().await.unwrap();
    assert_eq!(number(&url, "SELECT n FROM kept").await, 7);

    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    assert_eq!(number(&url, "SELECT n FROM kept").await, 7);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn databases_come_and_go_on_a_server_given_by_its_url() {
    let server = Server::start(Options::default()).await.unwrap();
    let base = server.url("postgres");
    let (one, two) = tokio::try_join!(create_database(&base), create_database(&base)).unwrap();
    assert_ne!(one, two);

    let connected = Database::connect(&one).await.unwrap();
    drop_database(&one).await.unwrap();
    drop_database(&one).await.unwrap();
    assert!(connected.ping().await.is_err());
    assert_eq!(number(&two, "SELECT 1").await, 1);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn a_client_that_trusts_the_authority_connects_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::generate(folder.path()).unwrap();
    let stranger = tempfile::tempdir().unwrap();
    let stranger = Certificates::generate(stranger.path()).unwrap();
    let server = Server::start(Options {
        tls: Some(certificates.clone()),
        ..Options::default()
    })
    .await
    .unwrap();

    for host in ["localhost", "127.0.0.1"] {
        let url = format!(
            "postgres://postgres@{host}:{}/postgres?sslmode=verify-full&sslrootcert=",
            server.port()
        );
        let trusting = format!("{url}{}", certificates.ca.display());
        let encrypted =
            "SELECT count(*)::int FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
        assert_eq!(number(&trusting, encrypted).await, 1);
        let distrusting = format!("{url}{}", stranger.ca.display());
        assert!(Database::connect(distrusting).await.is_err());
    }
}

async fn number(url: &str, query: &str) -> i32 {
    let connection = Database::connect(url).await.unwrap();
    let statement = Statement::from_string(DbBackend::Postgres, query);
    let row = connection.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}
