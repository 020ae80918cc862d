//! An event's bytes. Nobody's browser may take them for a page of ours.

use poem::{
    Body, IntoResponse, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchema, MetaSchemaRef},
};

/// As they came, with the content type with which they came.
pub(crate) struct Bytes {
    content_type: Option<HeaderValue>,
    body: Vec<u8>,
}

impl From<entity::payload::Model> for Bytes {
    fn from(row: entity::payload::Model) -> Self {
        let content_type = row.content_type.as_deref();
        Self {
            content_type: content_type.and_then(|text| HeaderValue::from_str(text).ok()),
            body: row.body,
        }
    }
}

impl Payload for Bytes {
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    fn schema_ref() -> MetaSchemaRef {
        let bytes = MetaSchema::new_with_format("string", "binary");
        MetaSchemaRef::Inline(Box::new(bytes))
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        let unknown = HeaderValue::from_static(Self::CONTENT_TYPE);
        Response::builder()
            .header(header::CONTENT_TYPE, self.content_type.unwrap_or(unknown))
            .header(header::CONTENT_DISPOSITION, "attachment")
            .body(self.body)
    }
}

/// A file that is written while it is read.
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    pub(crate) name: &'static str,
    pub(crate) body: Body,
}

impl Payload for File {
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    fn schema_ref() -> MetaSchemaRef {
        Bytes::schema_ref()
    }
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        Response::builder()
            .header(header::CONTENT_TYPE, self.content_type)
            .header(
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}\"", self.name),
            )
            .body(self.body)
    }
}
