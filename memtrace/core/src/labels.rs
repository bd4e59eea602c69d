//! What the platform of a VM, and its operator, call it. Untrusted text, made fit for display and
//! bounded by who reads it. Never who it is: see [`crate::sample::VmId`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names and labels of a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Labels")]
pub struct VmLabels {
    /// What manages it above the hypervisor; `null`: nothing that is known.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Its id there: what the platform's own commands take.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name there, or in the configuration.
    #[serde(default)]
    pub name: Option<String>,
    /// Its name there, where the configuration calls it otherwise.
    #[serde(default)]
    pub platform_name: Option<String>,
    /// Its project, tenant or namespace.
    #[serde(default)]
    pub project: Option<String>,
    /// Others: flavour, pod, tags, and those of the configuration.
    #[serde(default)]
    pub more: BTreeMap<String, String>,
}

/// What a process says of itself that is another VM's.
// It is no identity, and gives nothing but `exclude`: leaving a VM alone is right also where it was
// judged wrongly whose that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    /// Another VM's UUID.
    #[serde(default)]
    pub uuid: Option<Uuid>,
    /// Another VM's name; untrusted, sanitised.
    #[serde(default)]
    pub name: Option<String>,
}

/// What manages VMs above the hypervisor.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    Proxmox,
    /// OpenStack.
    Nova,
    Kubevirt,
    Ovirt,
    Incus,
    Lxd,
    Firecracker,
    CloudHypervisor,
    /// Of another version of memtrace.
    #[serde(other)]
    Other,
}

impl Platform {
    const ALL: [Self; 8] = [
        Self::Proxmox,
        Self::Nova,
        Self::Kubevirt,
        Self::Ovirt,
        Self::Incus,
        Self::Lxd,
        Self::Firecracker,
        Self::CloudHypervisor,
    ];

    /// The one of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.word() == word)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Proxmox => "proxmox",
            Self::Nova => "nova",
            Self::Kubevirt => "kubevirt",
            Self::Ovirt => "ovirt",
            Self::Incus => "incus",
            Self::Lxd => "lxd",
            Self::Firecracker => "firecracker",
            Self::CloudHypervisor => "cloud_hypervisor",
            Self::Other => "other",
        }
    }
}

impl VmLabels {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and those where these say nothing.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        let mut more = other.more;
        more.append(&mut self.more);
        Self {
            platform: self.platform.or(other.platform),
            id: self.id.or(other.id),
            name: self.name.or(other.name),
            platform_name: self.platform_name.or(other.platform_name),
            project: self.project.or(other.project),
            more,
        }
    }

    /// These, which are the configuration's, and the platform's where these say nothing. What the
    /// platform calls it stays known.
    #[must_use]
    pub fn over(self, mut platform: Self) -> Self {
        if self.name.as_ref().is_some_and(|own| platform.name.as_ref() != Some(own)) {
            platform.platform_name = platform.name.take();
        }
        self.or(platform)
    }

    /// Its name with its project, as the platform's own tools write it.
    pub fn full_name(&self) -> Option<String> {
        self.in_project(&self.name)
    }

    /// The same of what the platform calls it, where the configuration calls it otherwise.
    pub fn full_platform_name(&self) -> Option<String> {
        self.in_project(&self.platform_name)
    }

    fn in_project(&self, name: &Option<String>) -> Option<String> {
        Some(format!("{}/{}", self.project.as_ref()?, name.as_ref()?))
    }

    /// Its name, for a title: with its project, where it has one.
    pub fn title(&self) -> Option<String> {
        self.full_name().or_else(|| self.name.clone())
    }

    /// How an operator names it: by name with project, by id, or by name alone.
    pub fn handle(&self) -> Option<String> {
        self.full_name().or_else(|| self.id.clone()).or_else(|| self.name.clone())
    }

    /// What names this VM alone on its platform, and is `typed`.
    pub fn is_handle(&self, typed: &str) -> bool {
        [self.id.clone(), self.full_name(), self.full_platform_name()]
            .iter()
            .any(|handle| handle.as_deref() == Some(typed))
    }

    /// Whether an operator who writes `typed` may mean it.
    pub fn answers_to(&self, typed: &str) -> bool {
        let is = |name: &Option<String>| name.as_deref() == Some(typed);
        self.is_handle(typed) || is(&self.name) || is(&self.platform_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(id: Option<&str>, name: Option<&str>, project: Option<&str>) -> VmLabels {
        let [id, name, project] = [id, name, project].map(|text| text.map(str::to_owned));
        VmLabels { id, name, project, ..VmLabels::default() }
    }

    #[test]
    fn a_vm_answers_to_each_of_its_names() {
        let web = labels(None, Some("web"), Some("default"));
        assert_eq!(web.handle().as_deref(), Some("default/web"));
        assert!(web.answers_to("web") && web.answers_to("default/web"));
        assert!(!web.answers_to("default") && !web.answers_to(""));
        let billing = labels(Some("2207"), Some("billing"), None);
        assert_eq!(billing.handle().as_deref(), Some("2207"));
        assert!(billing.answers_to("2207") && billing.answers_to("billing"));
        assert_eq!(VmLabels::default().handle(), None);
    }

    #[test]
    fn what_is_said_first_holds_key_by_key() {
        let more = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let mine = VmLabels { more: more(&[("a", "1")]), ..labels(None, Some("web"), None) };
        let other =
            VmLabels { more: more(&[("a", "2"), ("b", "3")]), ..labels(Some("7"), None, None) };
        let both = mine.or(other);
        assert_eq!((both.id.as_deref(), both.name.as_deref()), (Some("7"), Some("web")));
        assert_eq!(both.more, more(&[("a", "1"), ("b", "3")]));
    }

    #[test]
    fn a_name_of_the_configuration_hides_none_of_the_platform() {
        let own = labels(None, Some("Archive"), None);
        let both = own.clone().over(labels(None, Some("web"), Some("shop")));
        assert_eq!(both.title().as_deref(), Some("shop/Archive"));
        for name in ["Archive", "shop/Archive", "web", "shop/web"] {
            assert!(both.answers_to(name), "{name}");
        }
        assert!(both.is_handle("shop/web") && !both.is_handle("web"));
        assert_eq!(own.clone().over(own.clone()).platform_name, None, "they agree");
        let web = labels(None, Some("web"), None);
        assert_eq!(VmLabels::default().over(web.clone()), web);
    }

    #[test]
    fn platforms_are_written_as_they_are_named() {
        for platform in [Platform::Proxmox, Platform::CloudHypervisor, Platform::Kubevirt] {
            let written = serde_json::to_value(platform).unwrap();
            assert_eq!(written, platform.word());
            assert_eq!(Platform::of_word(platform.word()), Some(platform));
        }
        let later: Platform = serde_json::from_str("\"later\"").unwrap();
        assert_eq!(later, Platform::Other);
    }
}
