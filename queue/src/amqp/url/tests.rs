use super::*;

fn uri(url: &str) -> AMQPUri {
    match parse(url) {
        Ok(Url { uri, ignored }) if ignored.is_empty() => uri,
        other => panic!("{url}: {other:?}"),
    }
}

/// User, password, host, port and virtual host.
fn parts(url: &str) -> (String, String, String, u16, String) {
    let AMQPUri {
        authority, vhost, ..
    } = uri(url);
    let AMQPUserInfo { username, password } = authority.userinfo;
    (username, password, authority.host, authority.port, vhost)
}

#[test]
fn a_host_is_the_one_that_was_written() {
    for (url, host, port) in [
        ("amqp://mq.example.com", "mq.example.com", 5672),
        ("amqps://mq.example.com", "mq.example.com", 5671),
        ("AMQPS://mq_1:5673/", "mq_1", 5673),
        ("amqp://u:p@10.0.0.7:1/v", "10.0.0.7", 1),
        ("amqp://u:p@[2001:db8::1]:65535/%2f", "2001:db8::1", 65535),
        ("amqp://[::1]", "::1", 5672),
        ("amqps://[2001:DB8:0::1]?heartbeat=1", "2001:db8::1", 5671),
    ] {
        let (_, _, was, at, _) = parts(url);
        assert_eq!((was.as_str(), at), (host, port), "{url}");
    }
}

#[test]
fn a_host_that_is_not_clear_is_refused() {
    for url in [
        "amqp://",
        "amqp:///",
        "amqp://?heartbeat=5",
        "amqp://u:p@",
        "amqp://u:p@/v",
        "amqp://:5672/v",
        "amqp://::1/v",
        "amqp://2001:db8::1:5672/v",
        "amqp://u:p@[2001:db8::1/v",
        "amqp://u:p@2001:db8::1]/v",
        "amqp://[::1]5672/v",
        "amqp://[fe80::1%25eth0]/v",
        "amqp://[127.0.0.1]/v",
        "amqp://[mq]/v",
        "amqp://[]/v",
        "amqp://mq1,mq2/v",
        "amqp://mq1:5672,mq2:5672/v",
        "amqp://m\u{fc}hle/v",
        "amqp://m%71/v",
    ] {
        assert!(
            matches!(parse(url), Err(Refused::Host | Refused::Port)),
            "{url}"
        );
    }
    for url in [
        "amqp://h:/",
        "amqp://h:0",
        "amqp://h:65536",
        "amqp://h:+1",
        "amqp://u:p",
    ] {
        assert_eq!(parse(url), Err(Refused::Port), "{url}");
    }
}

#[test]
fn another_scheme_is_refused() {
    for url in [
        "",
        "mq",
        "mq:5672",
        "amqp:mq",
        "amqp:/mq",
        "http://mq",
        "rabbitmq://mq",
        "amqp+ssl://mq",
    ] {
        assert_eq!(parse(url), Err(Refused::Scheme), "{url}");
    }
}

#[test]
fn a_login_is_what_is_before_the_last_at_sign() {
    for (url, user, password) in [
        ("amqp://h/v", "guest", "guest"),
        ("amqp://u@h/v", "u", ""),
        ("amqp://u:@h/v", "u", ""),
        ("amqp://:p@h/v", "", "p"),
        ("amqp://u:p:q@h/v", "u", "p:q"),
        ("amqp://u@x:p@q@h/v", "u@x", "p@q"),
        ("amqp://u%3a%61:p%2F%3f%23%40%25%5B@h/v", "u:a", "p/?#@%["),
        ("amqp://u:p+q$r!&*();=,'~@h/v", "u", "p+q$r!&*();=,'~"),
        ("amqp://u:w%C3%B6rd%20\u{e9}@h/v", "u", "w\u{f6}rd \u{e9}"),
        ("amqp://u:[p]@[::1]/v", "u", "[p]"),
    ] {
        let (was, with, ..) = parts(url);
        assert_eq!((was.as_str(), with.as_str()), (user, password), "{url}");
    }
}

#[test]
fn a_password_that_was_not_encoded_is_refused_wherever_it_would_end_up() {
    for url in [
        "amqp://u:p/q@h/v",
        "amqp://u:12/q@h/v",
        "amqp://u:p?q@h/v",
        "amqp://u:12?q@h/v",
        "amqp://u:p@q/r@h/v",
        "amqp://u:p#q@h/v",
        "amqp://u:p@h/v#w",
        "amqp://u:p q@h/v",
        "amqp://u:p\n@h/v",
        "amqp://u:p@h/v\n",
        "amqp://u:p%@h/v",
        "amqp://u:p%4@h/v",
        "amqp://u:p%zz@h/v",
        "amqp://u:p%+1@h/v",
        "amqp://u:p%\u{e9}@h/v",
        "amqp://u:p%ff@h/v",
        "amqp://u:p%0A@h/v",
        "amqp://u%00:p@h/v",
        "amqp://u:p@h/v%0a",
        "amqp://u:p@h/100%",
    ] {
        assert_eq!(parse(url), Err(Refused::Special), "{url}");
    }
}

#[test]
fn a_slash_at_the_end_is_the_virtual_host_slash() {
    for (url, name) in [
        ("amqp://h", "/"),
        ("amqp://h/", "/"),
        ("amqp://h:5672/", "/"),
        ("amqp://h//", "/"),
        ("amqp://h/%2f", "/"),
        ("amqp://h/%2F", "/"),
        ("amqp://h?heartbeat=1", "/"),
        ("amqp://h/?heartbeat=1", "/"),
        ("amqp://h/v", "v"),
        ("amqp://h/%2fv%2Fw", "/v/w"),
        ("amqp://h/a:b+c", "a:b+c"),
        ("amqp://h/%20", " "),
    ] {
        assert_eq!(parts(url).4, name, "{url}");
    }
    let too_long = format!("amqp://h/{}", "v".repeat(256));
    for url in [
        "amqp://h/v/",
        "amqp://h/v/w",
        "amqp://h//v",
        "amqp://h///",
        &too_long,
    ] {
        assert_eq!(parse(url), Err(Refused::VirtualHost), "{url}");
    }
}

#[test]
fn known_parameters_count() {
    let all = uri(
        "amqp://h/v?heartbeat=3&connection_timeout=2500&channel_max=0&frame_max=8192&auth_mechanism=AMQPLAIN&",
    );
    assert_eq!(
        all.query,
        AMQPQueryString {
            heartbeat: Some(3),
            connection_timeout: Some(2500),
            channel_max: Some(0),
            frame_max: Some(8192),
            auth_mechanism: Some(SASLMechanism::AMQPlain),
        }
    );
    let plain = uri("amqp://h?auth_mechanism=plain&channel_max=64&frame_max=0").query;
    assert_eq!(plain.auth_mechanism, Some(SASLMechanism::Plain));
    assert_eq!(uri("amqp://h?").query, AMQPQueryString::default());
}

#[test]
fn what_would_leave_a_dead_connection_unnoticed_does_not_count_and_is_said() {
    for (parameter, ignored) in [
        ("heartbeat=0", Ignored::Heartbeat),
        ("heartbeat=6", Ignored::Heartbeat),
        ("heartbeat=65535", Ignored::Heartbeat),
        ("connection_timeout=10001", Ignored::ConnectionTimeout),
    ] {
        let url = parse(&format!("amqp://h/v?{parameter}")).unwrap();
        assert_eq!(url.ignored, [ignored], "{parameter}");
        assert_eq!(url.uri.query, AMQPQueryString::default());
    }
}

#[test]
fn an_unknown_parameter_is_named_without_its_value() {
    let url =
        parse("amqps://h/v?verify=hunter2&heartbeat=1&ssl=hunter2&Heartbeat=hunter2").unwrap();
    let names = ["verify", "ssl", "Heartbeat"].map(|name| Ignored::Unknown(name.into()));
    assert_eq!(url.ignored, names);
    assert_eq!(url.uri.query.heartbeat, Some(1));
    for ignored in url.ignored {
        assert!(!ignored.to_string().contains("hunter2"), "{ignored}");
    }
}

#[test]
fn a_parameter_that_cannot_work_is_refused() {
    for parameter in [
        "heartbeat=",
        "heartbeat=5s",
        "heartbeat=-1",
        "heartbeat=+1",
        "heartbeat=65536",
        "connection_timeout=10",
        "connection_timeout=soon",
        "channel_max=1",
        "channel_max=65536",
        "frame_max=4096",
        "frame_max=x",
        "auth_mechanism=EXTERNAL",
        "auth_mechanism=hunter2",
    ] {
        let refused = parse(&format!("amqp://h/v?{parameter}")).unwrap_err();
        let name = parameter.split('=').next().unwrap();
        assert!(refused.to_string().contains(name), "{parameter}: {refused}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    let long = format!("{}=1", "x".repeat(41));
    for parameters in [
        "heartbeat",
        "=1",
        "a=1&a=2",
        "hunter2",
        "a%20b=1",
        "a=1?b=2&c",
        &long,
    ] {
        assert_eq!(
            parse(&format!("amqp://h/v?{parameters}")),
            Err(Refused::Parameters),
            "{parameters}"
        );
    }
    for parameter in ["ssl=true", "tls=1", "ssl_options=x"] {
        let url = format!("amqp://h/v?{parameter}");
        assert_eq!(parse(&url), Err(Refused::Encryption), "{url}");
    }
}
