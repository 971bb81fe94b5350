//! Stripe's error answers: one type, one constructor for each kind that the sandbox gives.

use serde_json::{Map, Value, json};

/// What a handler gives back.
pub(crate) type Answer<T = Value> = Result<T, ApiError>;

/// An error in Stripe's format, with its HTTP status. Boxed: it travels through every function here.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Body>);

#[derive(Debug, Clone)]
struct Body {
    status: u16,
    fields: Map<String, Value>,
    lasting: bool,
}

impl ApiError {
    /// An error of a kind (`type`), with a status and words for a developer.
    pub(crate) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("message".into(), Value::String(message.into()));
        fields.insert("type".into(), Value::String(kind.into()));
        Self(Box::new(Body { status, fields, lasting: false }))
    }

    /// 400 `invalid_request_error` about one parameter.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message).with("param", json!(param.into()))
    }

    /// 400 `invalid_request_error` about the request as a whole.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A required parameter is absent.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(param, format!("Missing required param: {param}.")).code("parameter_missing")
    }

    /// A parameter that the endpoint does not take.
    pub(crate) fn unknown(params: &[String]) -> Self {
        let message = match params {
            [one] => format!("Received unknown parameter: {one}"),
            many => format!("Received unknown parameters: {}", many.join(", ")),
        };
        Self::invalid(params.first().cloned().unwrap_or_default(), message).code("parameter_unknown")
    }

    /// No such object; `param` names the parameter, or `id` for the object of the path.
    pub(crate) fn no_such(noun: &str, id: &str, param: &str) -> Self {
        let status = if param == "id" { 404 } else { 400 };
        Self::new(status, "invalid_request_error", format!("No such {noun}: '{id}'"))
            .code("resource_missing")
            .with("param", json!(param))
    }

    /// A card was refused: 402 `card_error`.
    pub(crate) fn card(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let error = Self::new(402, "card_error", message).code(code);
        match decline_code {
            Some(decline) => error.with("decline_code", json!(decline)),
            None => error,
        }
    }

    /// Adds the machine-readable code, and the page that documents it.
    pub(crate) fn code(self, code: &str) -> Self {
        let page = code.replace('_', "-");
        self.with("code", json!(code))
            .with("doc_url", json!(format!("https://docs.stripe.com/error-codes#{page}")))
    }

    /// Adds any other field.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.0.fields.insert(field.to_owned(), value);
        self
    }

    /// Says that what was done before the error stays: a declined charge is on record.
    pub(crate) fn lasting(mut self) -> Self {
        self.0.lasting = true;
        self
    }

    /// Whether what was done before the error stays.
    pub(crate) fn is_lasting(&self) -> bool {
        self.0.lasting
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    /// A text field of the error, empty when absent.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.0.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The answer's body.
    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.0.fields })
    }
}
