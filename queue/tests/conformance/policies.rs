//! What an operator's policies and permissions may do to our queue. They are a server's, so this has one of its own.

mod private_servers {
    use std::{
        collections::HashSet,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use queue::{Reason, Settlement};
    use testbed::rabbitmq::{Options, Server};
    use tokio::{
        net::{TcpListener, TcpStream},
        sync::OnceCell,
    };
    use uuid::Uuid;

    use crate::{
        broker::Broker, confirmed, ids, ids_of, publish, returned, settle, soon, take, until_depth,
    };

    /// The tests' server, which ends with their process.
    static SERVER: OnceCell<Server> = OnceCell::const_new();

    async fn server() -> &'static Server {
        let start = async || Server::start(Options::default()).await.unwrap();
        SERVER.get_or_init(start).await
    }

    /// A queue of one's own on a server where a policy catches it.
    struct Caught {
        broker: Broker,
        server: &'static Server,
    }

    impl Caught {
        async fn by(policy: &str) -> Self {
            let server = server().await;
            let broker = Broker::at(server.amqp_url());
            broker.queue().declare().await.unwrap();
            let caught = Self { broker, server };
            let pattern = format!("^{}$", caught.broker.name());
            let arguments = [
                "--apply-to",
                "queues",
                caught.broker.name(),
                &pattern,
                policy,
            ];
            caught.control("set_policy", &arguments).await;
            caught
        }

        async fn release(&self) {
            self.control("clear_policy", &[self.broker.name()]).await;
        }

        async fn control(&self, command: &str, arguments: &[&str]) {
            let arguments = [&[command], arguments].concat();
            self.server.control(&arguments).await.unwrap();
        }
    }

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn what_a_full_queue_refuses_is_told_and_the_publisher_goes_on() {
        let caught = Caught::by(r#"{"max-length":5,"overflow":"reject-publish"}"#).await;
        let queue = caught.broker.queue();
        let mut publisher = queue.publisher().await.unwrap();
        let wanted = ids(1000);
        let (mut acked, mut refused) = (HashSet::new(), HashSet::new());
        publisher.publish(&wanted).await.unwrap();
        while publisher.unconfirmed() > 0 {
            let confirmed = soon(publisher.confirmed()).await.unwrap();
            acked.extend(confirmed.acked);
            refused.extend(confirmed.refused);
        }
        assert!(!refused.is_empty());
        assert_eq!(acked.len() + refused.len(), wanted.len());
        let mut deliveries = queue.deliveries(1000);
        let taken = take(&mut deliveries, acked.len()).await;
        assert_eq!(ids_of(&taken).into_iter().collect::<HashSet<Uuid>>(), acked);
        settle(&mut deliveries, taken, Settlement::Ack).await;
        deliveries.close().await;
        caught.release().await;
        // The same publisher, now that there is room.
        let more = ids(10);
        soon(async {
            // The queue learns a moment later that the policy is gone.
            loop {
                publisher.publish(&more).await.unwrap();
                let mut refused = Vec::new();
                while publisher.unconfirmed() > 0 {
                    refused.extend(publisher.confirmed().await.unwrap().refused);
                }
                if refused.is_empty() {
                    return;
                }
            }
        })
        .await;
    }

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn what_expires_by_a_policy_is_returned() {
        let caught = Caught::by(r#"{"message-ttl":100}"#).await;
        let queue = caught.broker.queue();
        let wanted = ids(2500);
        publish(&queue, &wanted).await;
        let mut publisher = queue.publisher().await.unwrap();
        let mut seen = HashSet::new();
        while seen.len() < wanted.len() {
            // More than may be unsettled at once.
            let messages = soon(publisher.returned()).await.unwrap();
            assert!(messages.iter().all(|one| one.reason == Reason::Expired));
            seen.extend(messages.iter().map(|one| one.id));
            publisher.settle_returned(messages).await.unwrap();
        }
        assert_eq!(seen, wanted.into_iter().collect());
        until_depth(&queue, 0, 2500).await;
    }

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn what_a_policy_drops_from_the_head_is_returned() {
        let caught = Caught::by(r#"{"max-length":10}"#).await;
        let queue = caught.broker.queue();
        let mut publisher = queue.publisher().await.unwrap();
        let wanted = ids(30);
        publisher.publish(&wanted).await.unwrap();
        assert_eq!(confirmed(&mut publisher, 30).await, wanted);
        let messages = returned(&mut publisher, 20).await;
        assert!(messages.iter().all(|one| one.reason == Reason::MaxLength));
        let dropped: HashSet<Uuid> = messages.iter().map(|one| one.id).collect();
        assert_eq!(dropped, wanted[..20].iter().copied().collect());
        publisher.settle_returned(messages).await.unwrap();
        until_depth(&queue, 10, 20).await;
    }

    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn a_queue_that_a_policy_removes_is_new_when_it_is_declared_again() {
        let caught = Caught::by(r#"{"expires":500}"#).await;
        let queue = caught.broker.queue();
        let mut deliveries = queue.deliveries(0);
        publish(&queue, &ids(1)).await;
        soon(async {
            while !queue.publisher().await.unwrap().queue_is_new() {
                tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            }
        })
        .await;
        deliveries.subscribe(1);
        let wanted = ids(1);
        publish(&queue, &wanted).await;
        assert_eq!(ids_of(&take(&mut deliveries, 1).await), wanted);
        assert!(!deliveries.queue_was_created());
        deliveries.close().await;
    }

    /// Passes every connection on to `server`, and counts them. Returns the port.
    async fn counting(server: String, connections: Arc<AtomicU32>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let mut far = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        port
    }

    /// Connecting and declaring succeed, so that only what comes after tells that this session is of no use.
    #[tokio::test]
    #[ignore = "starts private servers: run scripts/test"]
    async fn a_broker_that_refuses_every_consumer_is_asked_less_and_less_often() {
        let server = server().await;
        let broker = Broker::at(server.amqp_url());
        broker.queue().declare().await.unwrap();
        let user = broker.name();
        let may_read = format!("^{user}[.]dead-letter$");
        let user_and_password = ["add_user", user, "secret"];
        server.control(&user_and_password).await.unwrap();
        let rights = ["set_permissions", user, ".*", ".*", &may_read];
        server.control(&rights).await.unwrap();
        let url = server.amqp_url();
        let address = url
            .split(['@', '/'])
            .find(|part| part.contains("127.0.0.1"));
        let connections = Arc::new(AtomicU32::new(0));
        let port = counting(address.unwrap().into(), connections.clone()).await;
        let refused = broker.with_url(format!("amqp://{user}:secret@127.0.0.1:{port}/%2f"));
        let deliveries = refused.queue().deliveries(10);
        soon(async {
            while connections.load(Ordering::Relaxed) < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        // After waits of 0.1, 0.2, 0.4, 0.8, 1.6 s, each up to half shorter: at most 8 in all. Without them it is one
        // every 0.1 s.
        let connections = connections.load(Ordering::Relaxed);
        assert!((3..=9).contains(&connections), "{connections}");
        deliveries.close().await;
    }
}
