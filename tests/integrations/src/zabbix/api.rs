//! The API of Zabbix' server: JSON-RPC that its pages answer.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::http;

/// As the server's database is delivered.
const USER: (&str, &str) = ("Admin", "zabbix");
/// What is made of another item's value, in items.
const DEPENDENT: &str = "18";
/// A task to collect a value at once.
const COLLECT: u32 = 6;
/// An interface of a host for its agent, by which addresses are known.
const AGENT: u32 = 1;
/// The port at which the template by HTTP expects memtrace.
const EXPECTED: u16 = 9435;

pub struct Api {
    url: String,
    token: Option<String>,
}

/// An item of a host, with its newest value.
pub struct Item {
    pub key: String,
    pub value: String,
    pub known: bool,
    /// Why it isn't supported; else empty.
    pub error: String,
}

impl Api {
    pub fn new(pages: SocketAddr) -> Self {
        Self { url: format!("http://{pages}/api_jsonrpc.php"), token: None }
    }

    /// # Errors
    /// When it doesn't answer, or refuses.
    pub fn log_in(&mut self) -> Result<()> {
        let token = self.call("user.login", &json!({"user": USER.0, "password": USER.1}))?;
        self.token = Some(word(&token)?);
        Ok(())
    }

    /// Imports a template as an administrator would by the pages.
    ///
    /// # Errors
    /// When it is refused.
    pub fn import(&self, template: &str) -> Result<()> {
        let all = json!({"createMissing": true, "updateExisting": true});
        let kinds = ["discoveryRules", "groups", "items", "templates", "triggers"];
        let rules: serde_json::Map<String, Value> =
            kinds.map(|kind| (kind.to_owned(), all.clone())).into_iter().collect();
        let parameters = json!({"format": "yaml", "rules": rules, "source": template});
        let done = self.call("configuration.import", &parameters)?;
        ensure!(done == true, "it answers {done}");
        Ok(())
    }

    /// Makes a host at this address with a template, and returns its identity.
    ///
    /// # Errors
    /// When it is refused.
    pub fn host(&self, template: &str, address: SocketAddr) -> Result<String> {
        let known = json!({"output": [], "filter": {"host": [template]}});
        let known = self.call("template.get", &known)?;
        let name = template.replace(' ', "-");
        let group = self.call("hostgroup.create", &json!({"name": name}))?;
        let mut macros = Vec::new();
        if address.port() != EXPECTED {
            macros.push(json!({"macro": "{$MEMTRACE.PORT}", "value": address.port().to_string()}));
        }
        let made = self.call(
            "host.create",
            &json!({
                "host": name,
                "groups": [{"groupid": group["groupids"][0]}],
                "templates": [{"templateid": known[0]["templateid"]}],
                "macros": macros,
                "interfaces": [{
                    "type": AGENT, "main": 1, "useip": 1, "dns": "",
                    "ip": address.ip().to_string(), "port": address.port().to_string(),
                }],
            }),
        )?;
        word(&made["hostids"][0])
    }

    /// Has the server ask for all that it asks the host for, instead of once a minute.
    ///
    /// # Errors
    /// When it is refused.
    pub fn collect_now(&self, host: &str) -> Result<()> {
        let wanted = json!({"hostids": [host], "output": ["type"]});
        let mut tasks = Vec::new();
        for kind in ["item.get", "discoveryrule.get"] {
            for found in list(self.call(kind, &wanted)?)? {
                if found["type"] != DEPENDENT {
                    let request = json!({"itemid": found["itemid"]});
                    tasks.push(json!({"type": COLLECT, "request": request}));
                }
            }
        }
        self.call("task.create", &json!(tasks))?;
        Ok(())
    }

    /// # Errors
    /// When it is refused.
    pub fn items(&self, host: &str) -> Result<Vec<Item>> {
        let output = ["key_", "lastvalue", "lastclock", "error"];
        let items = self.call("item.get", &json!({"hostids": [host], "output": output}))?;
        let read = |item: Value| {
            Ok(Item {
                key: word(&item["key_"])?,
                value: word(&item["lastvalue"])?,
                known: word(&item["lastclock"])? != "0",
                error: word(&item["error"])?,
            })
        };
        list(items)?.into_iter().map(read).collect()
    }

    fn call(&self, method: &str, parameters: &Value) -> Result<Value> {
        let mut request = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        request["params"] = parameters.clone();
        if let Some(token) = &self.token {
            request["auth"] = json!(token);
        }
        let answer = http::post(&self.url, "application/json-rpc", &request.to_string())?;
        let mut answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("{method}: {answer}"))?;
        let error = &answer["error"];
        ensure!(error.is_null(), "{method}: {} {}", error["message"], error["data"]);
        Ok(answer["result"].take())
    }
}

fn word(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no word"))?.to_owned())
}

fn list(mut value: Value) -> Result<Vec<Value>> {
    value.as_array_mut().map(std::mem::take).context("the answer has no list")
}
