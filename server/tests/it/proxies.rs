//! Real nginx, Caddy, Traefik and Envoy with files of `docs`, and a server behind that says what reached it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::wire;

const ENTRY_POINT: &str = include_str!("../../../docs/gateways/traefik-entry-point.yaml");

/// A process that passes requests on.
pub struct Proxy {
    pub address: SocketAddr,
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    /// nginx with a documented file, which listens here and without TLS.
    pub async fn nginx(site: &str) -> Self {
        Self::start(site, start_nginx).await
    }

    /// Caddy with a documented file, which listens here and without TLS.
    pub async fn caddy(site: &str) -> Self {
        Self::start(site, start_caddy).await
    }

    /// Traefik with a documented file behind the documented entry point, here and without TLS.
    pub async fn traefik(site: &str) -> Self {
        let proxy = Self::start(site, start_traefik).await;
        // It listens before it has read its routes.
        for _ in 0..200 {
            let answer = wire::send(proxy.address, "GET /", &[], "").await;
            if answer.status != StatusCode::NOT_FOUND {
                return proxy;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("Traefik takes no routes from this: {site}");
    }

    /// Envoy with the documented parts of a connection manager, in front of `api`.
    pub async fn envoy(site: &str, api: SocketAddr) -> Self {
        let clusters = [("keyrack", envoy_keyrack(site)), ("api", api)];
        let site = envoy_site(site, &clusters);
        Self::start(&site, start_envoy).await
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn start(site: &str, start: fn(&Path, SocketAddr, &str) -> Child) -> Self {
        // Another process may take the free port before the proxy does.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let address = free_address().await;
            let mut process = start(folder.path(), address, site);
            let is_up = is_up(&mut process, address).await;
            let proxy = Self {
                address,
                process,
                folder,
            };
            if is_up {
                return proxy;
            }
        }
        panic!("it does not start with this: {site}");
    }
}

/// A server that answers with what it got, and how many requests that were.
pub async fn start_echo() -> (SocketAddr, Arc<AtomicU32>) {
    async fn echo(
        State(calls): State<Arc<AtomicU32>>,
        request: Request,
    ) -> (StatusCode, Json<Value>) {
        calls.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let headers: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let seen = json!({
            "method": parts.method.as_str(),
            "target": parts.uri.to_string(),
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        });
        // It would talk on in another protocol; and its own refusals stay its own.
        let status = match parts.uri.query() {
            _ if parts.headers.contains_key("upgrade") => 101,
            Some("refuse") => 403,
            _ => 200,
        };
        (StatusCode::from_u16(status).unwrap(), Json(seen))
    }
    let calls = Arc::<AtomicU32>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(echo).with_state(calls.clone());
    tokio::spawn(server::serve::serve(
        listener,
        router,
        std::future::pending(),
    ));
    (address, calls)
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

async fn is_up(process: &mut Child, address: SocketAddr) -> bool {
    for _ in 0..200 {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// The documented file with this test's addresses. Each text must be there, or the file has
/// changed and the test no longer runs what people copy.
pub fn fill(file: &str, replacements: &[(&str, &str)]) -> String {
    replacements
        .iter()
        .fold(file.to_owned(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text.replace(from, to)
        })
}

fn start_nginx(folder: &Path, listen: SocketAddr, site: &str) -> Child {
    let site = fill(site, &[("listen 443 ssl;", &format!("listen {listen};"))]);
    let is_certificate = |line: &&str| line.trim_start().starts_with("ssl_certificate");
    let site: Vec<_> = site.lines().filter(|line| !is_certificate(line)).collect();
    let site = site.join("\n");
    // One process without a master: killing it leaves nothing behind.
    let main = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {{}}\n\
         http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy;\n\
         fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n{site}\n}}\n"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, main).unwrap();
    let mut command = Command::new("nginx");
    // Debian puts nginx where only root looks.
    let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    command
        .env("PATH", search)
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(path);
    spawn(command, folder, "nginx")
}

fn start_caddy(folder: &Path, listen: SocketAddr, site: &str) -> Child {
    let here = format!("http://:{} {{", listen.port());
    let site = fill(site, &[("api.example.com {", &here)]);
    let path = folder.join("Caddyfile");
    let globals = "{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n";
    std::fs::write(&path, format!("{globals}{site}")).unwrap();
    let mut command = Command::new("caddy");
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(path);
    command
        .env("XDG_DATA_HOME", folder)
        .env("XDG_CONFIG_HOME", folder)
        .env("HOME", folder);
    spawn(command, folder, "caddy")
}

fn start_traefik(folder: &Path, listen: SocketAddr, site: &str) -> Child {
    let site = fill(site, &[("      tls: {}\n", "")]);
    let routes = folder.join("traefik.yaml");
    std::fs::write(&routes, site).unwrap();
    let entry_point = fill(
        ENTRY_POINT,
        &[
            ("\":443\"", &format!("\"{listen}\"")),
            (
                "filename: traefik.yaml",
                &format!("filename: {}", routes.display()),
            ),
        ],
    );
    // It would ask the internet for a newer version.
    let main = format!("{entry_point}\nlog: {{level: WARN}}\nglobal: {{checkNewVersion: false}}\n");
    let path = folder.join("main.yaml");
    std::fs::write(&path, main).unwrap();
    let mut command = Command::new("traefik");
    command.arg("--configFile").arg(path);
    spawn(command, folder, "traefik")
}

fn start_envoy(folder: &Path, listen: SocketAddr, site: &str) -> Child {
    let port = format!("port_value: {}", listen.port());
    let path = folder.join("envoy.yaml");
    std::fs::write(&path, fill(site, &[("port_value: LISTEN", &port)])).unwrap();
    let mut command = Command::new("envoy");
    command.args([
        "--disable-hot-restart",
        "--concurrency",
        "2",
        "-l",
        "warning",
        "-c",
    ]);
    command.arg(path);
    spawn(command, folder, "envoy")
}

/// Where the documented parts have Keyrack: a bootstrap file repeats it as the address of a cluster.
fn envoy_keyrack(site: &str) -> SocketAddr {
    let (_, uri) = site.split_once("uri: http://").unwrap();
    uri.lines().next().unwrap().parse().unwrap()
}

/// A bootstrap file around the documented parts of a connection manager.
fn envoy_site(manager: &str, clusters: &[(&str, SocketAddr)]) -> String {
    let manager = manager.replace('\n', "\n          ");
    let clusters: Vec<_> = clusters
        .iter()
        .map(|(name, address)| {
            let (ip, port) = (address.ip(), address.port());
            let endpoint = json!({
                "endpoint": { "address": { "socket_address": { "address": ip, "port_value": port } } }
            });
            json!({
                "name": name,
                "connect_timeout": "1s",
                "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
            })
        })
        .collect();
    let clusters = Value::from(clusters);
    format!(
        r#"static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: LISTEN}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: api
          {manager}
  clusters: {clusters}
"#
    )
}

fn spawn(mut command: Command, folder: &Path, program: &str) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command.spawn().unwrap_or_else(|error| {
        panic!("{program} can't be started ({error}): tools/setup.sh test installs it")
    })
}

/// The values of every header that some API could take for this one.
pub fn alike<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = seen["headers"].as_array().unwrap();
    let is_alike = |header: &&Value| header[0].as_str().unwrap().replace(['_', '.'], "-") == name;
    headers
        .iter()
        .filter(is_alike)
        .map(|header| header[1].as_str().unwrap())
        .collect()
}
