//! The client of the tests: the crate `object_store`, told where to go by nothing but the environment of a server.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::runtime::Runtime;

/// What a test waits for a server that answers.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A client that tries once, so that a test meets each fault.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) store: Arc<AmazonS3>,
    runtime: Arc<Runtime>,
}

impl Client {
    pub(crate) fn new(bucket: &str, environment: &[(&'static str, String)]) -> Self {
        Self::patient(bucket, environment, LIMIT)
    }

    /// One that gives a request so long.
    pub(crate) fn patient(bucket: &str, environment: &[(&'static str, String)], limit: Duration) -> Self {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        PROVIDER.get_or_init(|| rustls::crypto::ring::default_provider().install_default().unwrap());
        let builder = AmazonS3Builder::new().with_bucket_name(bucket);
        let builder = environment.iter().fold(builder, |builder, (name, value)| {
            builder.with_config(name.to_lowercase().parse().unwrap(), value)
        });
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let options = ClientOptions::new().with_allow_http(true).with_timeout(limit);
        let store = Arc::new(builder.with_retry(retry).with_client_options(options).build().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { store, runtime: Arc::new(runtime) }
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn put(
        &self,
        key: &str,
        body: impl Into<object_store::PutPayload>,
    ) -> object_store::Result<()> {
        self.run(self.store.put(&Path::from(key), body.into())).map(drop)
    }

    pub(crate) fn get(&self, key: &str) -> object_store::Result<Vec<u8>> {
        self.run(async { Ok(self.store.get(&Path::from(key)).await?.bytes().await?.to_vec()) })
    }

    pub(crate) fn keys(&self) -> object_store::Result<Vec<String>> {
        use futures_util::TryStreamExt;
        let listed: Vec<_> = self.run(self.store.list(None).try_collect())?;
        let mut keys: Vec<_> = listed.into_iter().map(|object| object.location.to_string()).collect();
        keys.sort();
        Ok(keys)
    }
}
