//! URLs under which S3 itself hands out a blob.

use std::{sync::Arc, time::Duration};

use http::Method;
use object_store::{
    Error,
    aws::AmazonS3,
    path::Path as Key,
    signer::{SignedUrlOptions, Signer as _},
};

/// A bucket that can sign.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    /// What all blobs lie under.
    pub(super) prefix: Key,
}

impl Bucket {
    pub(super) async fn url(
        &self,
        key: &Key,
        file_name: &str,
        media_type: &str,
        valid_for: Duration,
    ) -> Result<String, Error> {
        let path: Key = self.prefix.parts().chain(key.parts()).collect();
        let disposition = disposition(file_name);
        let options = SignedUrlOptions::new().with_query([
            ("response-content-disposition", &*disposition),
            ("response-content-type", media_type),
        ]);
        let url = self
            .store
            .signed_url_opts(Method::GET, &path, valid_for, &options);
        Ok(url.await?.into())
    }
}

/// `attachment` with the name of the file, for old and new readers (RFC 6266, section 4.3).
fn disposition(file_name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let plain: String = file_name
        .chars()
        .map(|letter| match u8::try_from(letter) {
            Ok(byte) if is_plain(byte) => letter,
            _ => '_',
        })
        .collect();
    let exact: String = file_name
        .bytes()
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::aws::AmazonS3Builder;

    #[test]
    fn a_name_is_written_for_old_and_new_readers() {
        assert_eq!(
            disposition("Träger \"1\".glb"),
            "attachment; filename=\"Tr_ger__1_.glb\"; filename*=UTF-8''Tr%C3%A4ger%20%221%22.glb"
        );
    }

    #[tokio::test]
    async fn a_url_names_key_type_and_file_and_is_signed() {
        let store = AmazonS3Builder::new()
            .with_region("eu-central-1")
            .with_bucket_name("media")
            .with_access_key_id("key")
            .with_secret_access_key("secret")
            .build()
            .unwrap();
        let bucket = Bucket {
            store: Arc::new(store),
            prefix: Key::from("cadmill/blobs"),
        };
        let key = Key::from("sha256/ab/abcd");
        let minute = Duration::from_mins(1);
        let url = bucket
            .url(&key, "a b.glb", "model/gltf-binary", minute)
            .await
            .unwrap();
        for part in [
            "/cadmill/blobs/sha256/ab/abcd?",
            "response-content-disposition=attachment",
            "a%2520b.glb",
            "response-content-type=model%2Fgltf-binary",
            "X-Amz-Expires=60",
            "X-Amz-Signature=",
        ] {
            assert!(url.contains(part), "{part} in {url}");
        }
    }
}
