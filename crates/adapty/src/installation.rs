//! The device of a user on the web: made up, and the same each time.

use entitlement::model::user::User;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Adapty's "Installation Meta". A server knows none of the device's own words, so they are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InstallationMeta {
    pub device_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idfa: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idfv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertising_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android_app_set_id: Option<String>,
}

impl InstallationMeta {
    /// That of `user` on the web.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self { device_id: device(user), platform: Some("web".to_owned()), ..Self::default() }
    }
}

/// A UUID (RFC 9562, version 8) that stands for the user and says nothing about them.
fn device(user: &User) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(format!("grantsync device of {}", user.as_str()))[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
