//! Multipart uploads in S3 that were begun and never ended: they are no objects, but their parts are
//! kept and paid for.

use cadmill_domain::Moment;

use super::ObjectBlobs;

impl ObjectBlobs {
    /// Aborts the multipart uploads that were begun before `older_than`. Not every store lets us, or
    /// has them, so that it fails is only logged.
    #[cfg(feature = "s3")]
    pub(super) async fn abort_old_uploads(&self, older_than: Moment) {
        let Some(bucket) = &self.bucket else {
            return;
        };
        match s3::abort_old(bucket, older_than).await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "unfinished multipart uploads aborted"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "Unfinished multipart uploads could not be aborted; allow \
                     `s3:ListBucketMultipartUploads` and `s3:AbortMultipartUpload`, or let a \
                     lifecycle rule abort them."
                );
            }
        }
    }

    /// Only S3 has such uploads.
    #[cfg(not(feature = "s3"))]
    #[expect(clippy::unused_async, reason = "as with S3")]
    pub(super) async fn abort_old_uploads(&self, _older_than: Moment) {}
}

#[cfg(feature = "s3")]
mod s3 {
    use std::time::Duration;

    use http::Method;
    use object_store::{
        ClientOptions, Error,
        client::{HttpConnector as _, HttpRequestBody, ReqwestConnector},
        multipart::MultipartStore as _,
        path::Path as Key,
        signer::{SignedUrlOptions, Signer as _},
    };
    use serde::Deserialize;
    use uuid::Uuid;

    use crate::blobs::signed::Bucket;
    use cadmill_domain::Moment;

    /// How long a signed request is valid.
    const VALID_FOR: Duration = Duration::from_mins(5);

    /// An answer to `ListMultipartUploads`.
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listing {
        #[serde(default, rename = "Upload")]
        uploads: Vec<Upload>,
        #[serde(default)]
        is_truncated: bool,
        #[serde(default)]
        next_key_marker: String,
        #[serde(default)]
        next_upload_id_marker: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Upload {
        key: String,
        #[serde(rename = "UploadId")]
        id: String,
        initiated: Moment,
    }

    impl Upload {
        /// When it was begun, by the clock of the store and, where the key has a time, by ours. Some
        /// stores claim to have begun all of them years ago.
        fn begun_at(&self) -> Moment {
            let name = self.key.rsplit('/').next().unwrap_or_default();
            let ours = Uuid::try_parse(name).ok();
            let ours = ours.and_then(|name| name.get_timestamp());
            let (seconds, nanos) = ours.map_or((0, 0), |time| time.to_unix());
            let ours = Moment::from_timestamp(seconds.try_into().unwrap_or(0), nanos);
            ours.unwrap_or_default().max(self.initiated)
        }
    }

    /// Aborts what was begun before `older_than`; how many uploads that were.
    pub(super) async fn abort_old(bucket: &Bucket, older_than: Moment) -> Result<u64, Error> {
        let mut aborted = 0;
        let mut after = (String::new(), String::new());
        loop {
            let listing = list(bucket, &after).await?;
            for upload in &listing.uploads {
                if upload.begun_at() < older_than {
                    let key = Key::parse(&upload.key)?;
                    let ended = bucket.store.abort_multipart(&key, &upload.id).await;
                    match ended {
                        // Another process has ended it.
                        Ok(()) | Err(Error::NotFound { .. }) => aborted += 1,
                        Err(error) => return Err(error),
                    }
                }
            }
            let next = (listing.next_key_marker, listing.next_upload_id_marker);
            if !listing.is_truncated || next == after {
                return Ok(aborted);
            }
            after = next;
        }
    }

    /// The uploads behind a key and an upload.
    async fn list(bucket: &Bucket, after: &(String, String)) -> Result<Listing, Error> {
        let prefix = match bucket.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let mut query = vec![("uploads", ""), ("prefix", &prefix)];
        if !after.0.is_empty() {
            query.extend([("key-marker", &*after.0), ("upload-id-marker", &*after.1)]);
        }
        let options = SignedUrlOptions::new().with_query(query);
        let root = Key::default();
        let url = bucket
            .store
            .signed_url_opts(Method::GET, &root, VALID_FOR, &options)
            .await?;
        let request = http::Request::get(url.as_str()).body(HttpRequestBody::empty());
        let options = ClientOptions::new().with_allow_http(true);
        let client = ReqwestConnector::default().connect(&options)?;
        let answer = client.execute(request.map_err(failed)?).await;
        let (head, body) = answer.map_err(failed)?.into_parts();
        let body = body.bytes().await.map_err(failed)?;
        let text = String::from_utf8_lossy(&body);
        if !head.status.is_success() {
            let text = format!("S3 answers {}: {text}", head.status);
            return Err(failed(std::io::Error::other(text)));
        }
        quick_xml::de::from_str(&text).map_err(failed)
    }

    fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Generic {
            store: "S3",
            source: Box::new(error),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_upload_is_as_young_as_its_key() {
            let initiated: Moment = "2010-11-10T20:48:33Z".parse().unwrap();
            let upload = |key: String| Upload {
                key,
                id: String::new(),
                initiated,
            };
            let now = Uuid::now_v7();
            let begun_at = upload(format!("cadmill/incoming/{now}")).begun_at();
            let seconds = now.get_timestamp().unwrap().to_unix().0;
            assert_eq!(u64::try_from(begun_at.timestamp()).unwrap(), seconds);
            for key in ["cadmill/incoming/left", "", "sha256/ab/abcd"] {
                assert_eq!(upload(key.to_owned()).begun_at(), initiated, "{key}");
            }
        }

        #[test]
        fn a_listing_is_read() {
            let listing: Listing = quick_xml::de::from_str(
                r#"<?xml version="1.0" encoding="UTF-8"?>
                <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
                  <Bucket>media</Bucket><KeyMarker/><UploadIdMarker/>
                  <NextKeyMarker>incoming/b</NextKeyMarker>
                  <NextUploadIdMarker>2</NextUploadIdMarker>
                  <MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
                  <Upload><Key>incoming/a</Key><UploadId>1</UploadId>
                    <Initiator><ID>x</ID></Initiator><StorageClass>STANDARD</StorageClass>
                    <Initiated>2026-11-30T20:48:33.000Z</Initiated></Upload>
                  <Upload><Key>incoming/b</Key><UploadId>2</UploadId>
                    <Initiated>2026-11-30T21:00:00.000Z</Initiated></Upload>
                </ListMultipartUploadsResult>"#,
            )
            .unwrap();
            let read: Vec<_> = listing
                .uploads
                .iter()
                .map(|upload| (upload.key.as_str(), upload.id.as_str()))
                .collect();
            assert_eq!(read, [("incoming/a", "1"), ("incoming/b", "2")]);
            assert!(listing.uploads[0].initiated < listing.uploads[1].initiated);
            assert!(listing.is_truncated);
            assert_eq!(listing.next_upload_id_marker, "2");
            let none = r"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
            let none: Listing = quick_xml::de::from_str(none).unwrap();
            assert!(none.uploads.is_empty() && !none.is_truncated);
        }
    }
}
