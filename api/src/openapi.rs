//! The OpenAPI document as generators of clients read it: what poem-openapi derives from the handlers, mended where that
//! says less than is so, or says it in a form that tools stumble over.

use std::{collections::HashMap, ops::RangeInclusive};

use entity::{currency, name};
use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi,
    registry::{
        MetaApi, MetaHeader, MetaMediaType, MetaOperation, MetaResponse, MetaSchema, MetaSchemaRef,
        Registry,
    },
    types::Type,
};

use crate::{
    cursor, events, export, list, mend,
    problem::{self, Problem},
    summary, waiting,
};

/// A reason as a regular expression, its length aside: no control characters, and not white space alone.
const REASON_PATTERN: &str =
    r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$";
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 1_000;
/// What can be paused: a source, or everything.
const PAUSED_PATTERN: &str = r"^(\*|[a-z0-9][a-z0-9._-]*)$";

/// The operations of `T`, whose description is mended.
pub(crate) struct Described<T>(pub(crate) T);

impl<T: OpenApi> OpenApi for Described<T> {
    fn meta() -> Vec<MetaApi> {
        let mut apis = T::meta();
        let paths = apis.iter_mut().flat_map(|api| &mut api.paths);
        paths
            .flat_map(|path| &mut path.operations)
            .for_each(mend_operation);
        apis
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        Problem::register(registry);
        for (name, schema) in &mut registry.schemas {
            mend_schema(schema);
            mend_request(name, schema);
        }
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.0.add_routes(table);
    }
}

fn mend_operation(operation: &mut MetaOperation) {
    match operation.operation_id {
        Some("listTransactions") => operation.params.extend(list::document()),
        Some("listAudit") => {
            let parameters = list::document();
            let paging = |name: &str| mend::audit::PARAMETERS.contains(&name);
            let parameters = parameters.filter(|parameter| paging(&parameter.name));
            operation.params.extend(parameters);
        }
        Some("exportTransactions") => operation.params.extend(export::document()),
        Some("getSummary") => operation.params.extend(summary::document()),
        _ => {}
    }
    let has_reason = operation.params.iter_mut().any(|parameter| {
        let is_reason = parameter.name == "reason";
        // A handler says what is wrong with it, so poem-openapi must not.
        parameter.required |= is_reason;
        is_reason
    });
    let id = operation.operation_id.unwrap_or_default();
    for parameter in &mut operation.params {
        if let MetaSchemaRef::Inline(schema) = &mut parameter.schema {
            constrain(&parameter.name, schema);
            match (id, parameter.name.as_str()) {
                (_, "reason") => constrain_reason(schema),
                ("followEvents", "cursor") => schema.pattern = Some(events::CURSOR_PATTERN.into()),
                ("listRefusals", "cursor") => schema.pattern = Some(cursor::PATTERN.into()),
                ("listFailures", "since") => schema.format = Some("date-time"),
                _ => {}
            }
        }
    }
    let is_guarded = !operation.security.is_empty();
    let responses = &mut operation.responses.responses;
    match id {
        // The one answer of a kind that depends on what is asked for.
        "exportTransactions" => {
            let files = responses.iter_mut().filter(|it| it.status == Some(200));
            files.for_each(|file| file.content = export::CONTENT_TYPES.map(a_text).into());
        }
        // Of what is gone there are none.
        "listConflicts" | "listSourceConflicts" => responses.retain(|it| it.status != Some(410)),
        _ => {}
    }
    responses.extend(everywhere());
    if is_guarded {
        responses.extend(denied());
        if operation.request.is_some() {
            responses.extend(of_bodies());
        }
        if operation.request.is_some() || has_reason {
            responses.push(problem(
                422,
                "It is not clear what is asked for; `errors` names every offending field.",
                vec![],
            ));
        }
    }
    responses.sort_by_key(|response| response.status);
    // Some generators make a name of it as it stands.
    let headers = responses
        .iter_mut()
        .flat_map(|response| &mut response.headers);
    headers.for_each(|header| header.name = in_title_case(&header.name));
}

fn problem(status: u16, description: &'static str, headers: Vec<MetaHeader>) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: problem::CONTENT_TYPE,
            schema: Problem::schema_ref(),
        }],
        headers,
    }
}

fn header(name: &str, description: &str) -> MetaHeader {
    MetaHeader {
        name: name.into(),
        description: Some(description.into()),
        required: true,
        deprecated: false,
        schema: String::schema_ref(),
    }
}

/// What is answered to whoever may not.
fn denied() -> [MetaResponse; 2] {
    let challenge = header("WWW-Authenticate", "What to send.");
    [
        problem(
            401,
            "It needs a token, and there is none, or none that is known here.",
            vec![challenge],
        ),
        problem(
            403,
            "Whoever asks may not: the token is for less, no token is for this, or it is a page of another site.",
            vec![],
        ),
    ]
}

/// What is answered to a body of which nothing is done.
fn of_bodies() -> [MetaResponse; 4] {
    [
        problem(400, "The body is not JSON.", vec![]),
        problem(408, "The body did not arrive in time.", vec![]),
        problem(413, "The body is longer than 65536 bytes.", vec![]),
        problem(
            415,
            "The content type is not `application/json`, or the content is coded (compressed).",
            vec![],
        ),
    ]
}

/// What any path may answer, whichever handler is behind it.
fn everywhere() -> [MetaResponse; 2] {
    let allow = header("Allow", "The methods that this path answers to.");
    [
        problem(
            405,
            "This path does not answer to this method.",
            vec![allow],
        ),
        problem(
            500,
            "Something went wrong here; it has been logged.",
            vec![],
        ),
    ]
}

fn a_text(content_type: &'static str) -> MetaMediaType {
    MetaMediaType {
        content_type,
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
    }
}

fn mend_schema(schema: &mut MetaSchema) {
    let mut required = Vec::new();
    for (name, property) in &mut schema.properties {
        let is_required = schema.required.contains(name);
        let is_nullable = match property {
            MetaSchemaRef::Inline(inline) => {
                constrain(name, inline);
                // It is how poem-openapi is told not to read constants. Generators leave out of a constructor what is
                // read-only, or out of what they write.
                inline.read_only = false;
                inline.nullable
            }
            MetaSchemaRef::Reference(_) => false,
        };
        // A member that may be null is always written: one that may be missing is left out instead.
        if is_required || is_nullable {
            required.push(*name);
        }
        if let Some(reference) = only_reference(property) {
            *property = reference;
        }
    }
    schema.required = required;
}

/// Says of what operators ask for what is not so wherever a member of the same name stands.
fn mend_request(name: &str, schema: &mut MetaSchema) {
    for (member, property) in &mut schema.properties {
        let MetaSchemaRef::Inline(property) = property else {
            continue;
        };
        match (name, *member) {
            ("Why" | "RetryAll" | "PauseRequest", "reason") => constrain_reason(property),
            ("Pause" | "PauseRequest", "source") => constrain("paused", property),
            _ => {}
        }
    }
    if matches!(name, "Why" | "RetryAll" | "PauseRequest" | "FailureFilter") {
        // What means nothing to us may have meant something to whoever sent it.
        let nothing = MetaSchema::new(NOTHING);
        schema.additional_properties = Some(Box::new(MetaSchemaRef::Inline(Box::new(nothing))));
    }
}

/// In the place of `false`, for which poem-openapi has no word.
const NOTHING: &str = "nothing-may-be";

/// A text with the document in it, with `false` wherever nothing may be.
pub(crate) fn closed(text: &str) -> String {
    let mut closed = String::with_capacity(text.len());
    let mut rest = text;
    for spelling in [
        "\"type\": \"nothing-may-be\"",
        "\"type\":\"nothing-may-be\"",
    ] {
        while let Some((before, after)) = rest.split_once(spelling) {
            let before = before.trim_end().strip_suffix('{');
            let after = after.trim_start().strip_prefix('}');
            let (Some(before), Some(after)) = (before, after) else {
                break;
            };
            closed.push_str(before);
            closed.push_str("false");
            rest = after;
        }
    }
    closed.push_str(rest);
    closed
}

fn constrain_reason(schema: &mut MetaSchema) {
    schema.min_length = Some(1);
    schema.max_length = Some(REASON_CHARS_MAX);
    schema.pattern = Some(REASON_PATTERN.into());
}

/// The reference inside `allOf: [reference, description]`, which is what poem-openapi makes of a described member.
/// Generators take the description for a second object to inherit from. OpenAPI 3.0 has no place for it beside a
/// reference, so the member has the description of what it refers to.
fn only_reference(property: &MetaSchemaRef) -> Option<MetaSchemaRef> {
    match property {
        MetaSchemaRef::Inline(schema) => match schema.all_of.as_slice() {
            [
                reference @ MetaSchemaRef::Reference(_),
                MetaSchemaRef::Inline(_),
            ] => Some(reference.clone()),
            _ => None,
        },
        MetaSchemaRef::Reference(_) => None,
    }
}

/// Says what the texts of this name are made of. A name means the same wherever it stands, and a check by poem-openapi
/// would answer otherwise than ours does.
fn constrain(member: &str, schema: &mut MetaSchema) {
    let (length, pattern): (RangeInclusive<usize>, _) = match member {
        "transaction_id" | "source_account" | "destination_account" => {
            (1..=name::CHARS_MAX, name::PATTERN)
        }
        "source" => (1..=name::SOURCE_CHARS_MAX, name::SOURCE_PATTERN),
        "paused" => (1..=name::SOURCE_CHARS_MAX, PAUSED_PATTERN),
        "currency" => (currency::LETTERS..=currency::LETTERS, currency::PATTERN),
        "wait" => (2..=8, waiting::PATTERN),
        _ => return,
    };
    schema.min_length = Some(*length.start());
    schema.max_length = Some(*length.end());
    schema.pattern = Some(pattern.into());
}

/// `Retry-After` for `RETRY-AFTER`.
fn in_title_case(name: &str) -> String {
    let mut last = '-';
    let letters = name.chars().map(|letter| {
        let is_first = std::mem::replace(&mut last, letter) == '-';
        match is_first {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        }
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use entity::{currency, name};
    use serde_json::Value;

    use super::{PAUSED_PATTERN, REASON_PATTERN};

    /// The names of types that clients' languages have already, and use in what is generated.
    const TAKEN: [&str; 12] = [
        "Any", "Dict", "Error", "File", "List", "Map", "Object", "Optional", "Response", "Result",
        "Set", "Union",
    ];

    fn document() -> Value {
        serde_json::from_str(&crate::openapi()).unwrap()
    }

    fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
        document["components"]["schemas"]
            .as_object()
            .unwrap()
            .iter()
    }

    fn operations(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, operations)| {
            let operations = operations.as_object().unwrap();
            operations.values().map(move |operation| (path, operation))
        })
    }

    #[test]
    fn no_schema_has_a_name_that_languages_use() {
        let document = document();
        for (name, _) in schemas(&document) {
            let is_taken = TAKEN.contains(&name.as_str()) || name.ends_with("Response");
            assert!(!is_taken, "{name}");
        }
    }

    #[test]
    fn members_refer_to_a_schema_without_a_detour() {
        let document = document();
        assert!(!document.to_string().contains("allOf"));
        let status = &document["components"]["schemas"]["Transaction"]["properties"]["status"];
        assert_eq!(status["$ref"], "#/components/schemas/Status");
    }

    /// The members that may be null, and those that may be missing.
    fn members(document: &Value) -> [Vec<String>; 2] {
        let (mut nullable, mut optional) = (Vec::new(), Vec::new());
        for (name, schema) in schemas(document) {
            let required = schema["required"].as_array().into_iter().flatten();
            let required: Vec<_> = required.collect();
            for (member, property) in schema["properties"].as_object().into_iter().flatten() {
                let is_required = required.iter().any(|required| *required == member);
                match (is_required, property["nullable"] == true) {
                    (true, true) => nullable.push(format!("{name}.{member}")),
                    (false, false) => optional.push(format!("{name}.{member}")),
                    (true, false) => {}
                    (false, true) => panic!("{name}.{member}"),
                }
            }
        }
        [nullable, optional]
    }

    #[test]
    fn what_may_be_null_is_always_there() {
        let [mut nullable, _] = members(&document());
        nullable.sort();
        assert_eq!(
            nullable,
            [
                "Attempt.error",
                "Attempt.status",
                "AuditPage.next_cursor",
                "BulkRetry.ended_at",
                "FailureGroup.sample",
                "FailureGroup.source",
                "FailureGroup.status",
                "Pause.until",
                "Refusal.skew_s",
                "RefusalPage.next_cursor",
                "SourceTransaction.processed_at",
                "Transaction.processed_at",
                "TransactionPage.next_cursor"
            ]
        );
    }

    #[test]
    fn what_may_be_missing_is_never_null() {
        let document = document();
        let [_, mut optional] = members(&document);
        optional.sort();
        let open = [
            "SourceTransaction",
            "Conflict",
            "ConflictList",
            "FailureFilter",
            "SummaryLine",
        ];
        optional.retain(|member| {
            let (schema, _) = member.split_once('.').unwrap();
            !open.contains(&schema)
        });
        assert_eq!(
            optional,
            [
                "AuditLine.detail",
                "AuditLine.source",
                "AuditLine.subject",
                "AuditLine.transaction_id",
                "BulkRetry.progress",
                "PauseRequest.until",
                "Problem.errors",
                "Problem.transaction_status",
                "Ready.warnings",
                "RetryAll.dry_run",
                "RetryAll.rate",
                "RetryAll.reason",
                "Transaction.conflicts",
                "Transaction.extra",
                "Transaction.failure",
                "Transaction.repeats"
            ]
        );
        let required = &document["components"]["schemas"]["SourceTransaction"]["required"];
        let always = [
            "source",
            "transaction_id",
            "status",
            "created_at",
            "processed_at",
        ];
        assert_eq!(*required, Value::from(always.to_vec()));
    }

    #[test]
    fn texts_say_what_they_are_made_of_wherever_they_stand() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        for schema in ["Webhook", "Transaction"] {
            let properties = &schemas[schema]["properties"];
            for name in ["transaction_id", "source_account", "destination_account"] {
                assert_eq!(properties[name]["maxLength"], 255, "{schema}.{name}");
                assert_eq!(properties[name]["pattern"], name::PATTERN);
            }
            assert_eq!(properties["currency"]["pattern"], currency::PATTERN);
        }
        let parameters = operations(&document)
            .filter_map(|(_, operation)| operation["parameters"].as_array())
            .flatten();
        let mut seen = 0;
        for parameter in parameters {
            let pattern = match parameter["name"].as_str() {
                Some("source") => name::SOURCE_PATTERN,
                Some("transaction_id") => name::PATTERN,
                Some("currency") => currency::PATTERN,
                Some("paused") => PAUSED_PATTERN,
                Some("reason") => REASON_PATTERN,
                Some("id") => continue,
                _ => {
                    assert_eq!(parameter["in"], "query");
                    continue;
                }
            };
            assert_eq!(parameter["schema"]["pattern"], pattern);
            seen += 1;
        }
        assert_eq!(seen, 32);
    }

    #[test]
    fn what_operators_ask_for_has_no_members_that_mean_nothing() {
        let document = document();
        for schema in ["Why", "RetryAll", "PauseRequest", "FailureFilter"] {
            let schema = &document["components"]["schemas"][schema];
            assert_eq!(schema["additionalProperties"], false, "{schema}");
        }
        assert!(!document.to_string().contains(super::NOTHING));
        let page = r#"<script>{"a":{"additionalProperties":{"type":"nothing-may-be"},"b":1}}"#;
        assert_eq!(
            super::closed(page),
            r#"<script>{"a":{"additionalProperties":false,"b":1}}"#
        );
    }

    #[test]
    fn an_operation_is_open_to_everybody_or_says_which_token_it_needs() {
        let document = document();
        for (path, operation) in operations(&document) {
            let is_open = ["Webhooks", "Health"]
                .iter()
                .any(|tag| operation["tags"][0] == **tag);
            let schemes = operation["security"].as_array().into_iter().flatten();
            let schemes: Vec<String> = schemes
                .flat_map(|scheme| scheme.as_object().unwrap().keys().cloned())
                .collect();
            assert_eq!(schemes.is_empty(), is_open, "{path}");
            assert!(
                is_open || schemes.contains(&"AdminToken".to_owned()),
                "{path}"
            );
            for status in ["401", "403"] {
                let is_there = operation["responses"].get(status).is_some();
                assert!(is_there || is_open, "{path} {status}");
            }
        }
        let schemes = document["components"]["securitySchemes"]
            .as_object()
            .unwrap();
        let bearer = schemes
            .values()
            .filter(|scheme| scheme["scheme"] == "bearer");
        assert_eq!(bearer.count(), 2);
    }

    #[test]
    fn every_operation_names_the_errors_that_any_path_answers_and_their_headers() {
        let document = document();
        for (path, operation) in operations(&document) {
            let responses = operation["responses"].as_object().unwrap();
            let headers = |status: &str| responses[status]["headers"].as_object();
            assert!(headers("405").unwrap().contains_key("Allow"), "{path}");
            assert!(responses.contains_key("500"), "{path}");
            if responses.contains_key("503") {
                assert!(
                    headers("503").unwrap().contains_key("Retry-After"),
                    "{path}"
                );
            }
            assert!(responses.keys().is_sorted(), "{path}");
        }
    }
}
