//! Which VM an operator means: by its name, identity, or as its platform calls it; and which of
//! several that are called alike has what it is called. Pure.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::sample::{VmId, VmLabels};
use crate::text::clean;

/// Maximum number of candidates in a message.
const MOST_LISTED: usize = 20;

/// How a VM can be given.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    pub name: &'a str,
    /// UUID, or the process id of a VM without one. `None`: unknown.
    pub id: Option<String>,
    /// What its platform and its operator call it.
    pub labels: Option<&'a VmLabels>,
}

impl<'a> Candidate<'a> {
    pub fn new(name: &'a str, id: VmId) -> Self {
        let id = match id {
            VmId::Uuid(uuid) => uuid.to_string(),
            VmId::Process { pid, .. } => pid.to_string(),
        };
        Self { name, id: Some(id), labels: None }
    }

    #[must_use]
    pub fn called(self, labels: &'a VmLabels) -> Self {
        Self { labels: Some(labels), ..self }
    }

    /// Its identity.
    fn is(&self, typed: &str) -> bool {
        self.id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(typed))
    }

    /// Its identity is its process id, which may be any number.
    fn is_process(&self) -> bool {
        self.id.as_ref().is_some_and(|id| id.bytes().all(|digit| digit.is_ascii_digit()))
    }

    /// What its platform's commands take.
    fn has_handle(&self, typed: &str) -> bool {
        self.labels.is_some_and(|labels| labels.is_handle(typed))
    }

    fn is_named(&self, typed: &str) -> bool {
        self.name == typed || self.labels.is_some_and(|labels| labels.answers_to(typed))
    }

    /// Whether an operator who writes `typed` may mean it.
    pub(crate) fn may_be(&self, typed: &str) -> bool {
        self.is(typed) || self.has_handle(typed) || self.is_named(typed)
    }

    /// For a list of several: its id, and its handle where it has one.
    fn text(&self) -> String {
        let id = self.id.as_deref().unwrap_or("?");
        match self.labels.and_then(VmLabels::handle).filter(|handle| handle != id) {
            Some(handle) => format!("{id} ({handle})"),
            None => id.to_owned(),
        }
    }

    /// For a list of all: as the views show it, and its own name where that is another.
    fn title(&self) -> String {
        match self.labels.and_then(VmLabels::title).filter(|title| title != self.name) {
            Some(title) => format!("{title} ({})", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// No VM is meant, or several are: the message, with the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchVm(pub String);

impl std::error::Error for NoSuchVm {}

impl fmt::Display for NoSuchVm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a VM is called, and what that is worth.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a, S> {
    pub name: &'a str,
    pub labels: &'a VmLabels,
    /// Its process, if that is its identity.
    pub process: Option<u32>,
    /// How well the kernel shows that it is who it says; less is better.
    pub standing: S,
}

/// Which of the words that a VM is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Its process id, where that is its identity. Nobody loses it.
    Process,
    /// Its own name.
    Name,
    /// Its platform's number.
    Id,
    /// Its name there or in the configuration, also with its project.
    Title,
    /// Its name there, where the configuration has another.
    PlatformTitle,
}

/// A word of a VM that is another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usurped {
    /// Indices of the VM, and of the one that has it.
    pub vm: usize,
    pub owner: usize,
    pub word: Word,
    pub text: String,
}

impl<'a, S: Copy> Called<'a, S> {
    fn words(&self) -> impl Iterator<Item = (Word, Cow<'a, str>)> {
        let labels = self.labels;
        let all = [
            (Word::Process, self.process.map(|pid| pid.to_string().into())),
            (Word::Name, Some(self.name.into())),
            (Word::Id, labels.id.as_deref().map(Cow::from)),
            (Word::Title, labels.name.as_deref().map(Cow::from)),
            (Word::Title, labels.full_name().map(Cow::from)),
            (Word::PlatformTitle, labels.platform_name.as_deref().map(Cow::from)),
            (Word::PlatformTitle, labels.full_platform_name().map(Cow::from)),
        ];
        all.into_iter().filter_map(|(word, text)| Some((word, text?)))
    }
}

/// Words that one of `vms` is called by, and one with a better standing too, by whichever of its
/// own. Whoever takes them from the weaker ones keeps anybody from making another's name
/// ambiguous. Those that stand alike all keep it, which on most hosts are all.
pub fn usurped<S: Copy + Ord>(vms: &[Called<'_, S>]) -> Vec<Usurped> {
    if vms.is_sorted_by(|one, other| one.standing == other.standing) {
        return Vec::new();
    }
    let mut best = HashMap::<Cow<'_, str>, (S, usize)>::new();
    for (index, vm) in vms.iter().enumerate() {
        for (_, text) in vm.words() {
            let known = best.entry(text).or_insert((vm.standing, index));
            *known = (*known).min((vm.standing, index));
        }
    }
    let mut all = Vec::new();
    for (index, vm) in vms.iter().enumerate() {
        for (word, text) in vm.words().filter(|(word, _)| *word != Word::Process) {
            let owner = best.get(&text).filter(|(standing, _)| *standing < vm.standing);
            if let Some(&(_, owner)) = owner {
                all.push(Usurped { vm: index, owner, word, text: text.into_owned() });
            }
        }
    }
    all
}

/// The one of `vms` with this identity, or else the platform's id, or else this process id, or else
/// this name. That a process has the number of a platform's VM for its own says nothing; where it
/// is the better VM, [`usurped`] has taken that number from the other.
///
/// # Errors
/// When there is none, or several are called so; the message lists the candidates.
pub fn choose<'a, T>(
    typed: &str,
    vms: &'a [T],
    describe: impl Fn(&'a T) -> Candidate<'a>,
) -> Result<&'a T, NoSuchVm> {
    let described: Vec<(&T, Candidate<'_>)> = vms.iter().map(|vm| (vm, describe(vm))).collect();
    let ways: [&dyn Fn(&Candidate<'_>) -> bool; 4] = [
        &|one| one.is(typed) && !one.is_process(),
        &|one| one.has_handle(typed),
        &|one| one.is(typed),
        &|one| one.is_named(typed),
    ];
    let which = |wanted: &&dyn Fn(&Candidate<'_>) -> bool| {
        described.iter().filter(|(_, one)| wanted(one)).collect::<Vec<_>>()
    };
    let found = ways.iter().map(which).find(|found| !found.is_empty()).unwrap_or_default();
    let problem = match found[..] {
        [(vm, _)] => return Ok(vm),
        [] if described.is_empty() => format!("no VM {typed:?}: there are no VMs"),
        [] => {
            let titles: Vec<String> = described.iter().map(|(_, one)| one.title()).collect();
            format!("no VM {typed:?}; VMs: {}", list(titles.iter().map(String::as_str)))
        }
        _ => {
            let ids: Vec<String> = found.iter().map(|(_, one)| one.text()).collect();
            let ids = list(ids.iter().map(String::as_str));
            format!("several VMs are named {typed:?}; give one of: {ids}")
        }
    };
    Err(NoSuchVm(problem))
}

fn list<'a>(words: impl Iterator<Item = &'a str> + Clone) -> String {
    let more = words.clone().count().saturating_sub(MOST_LISTED);
    let listed: Vec<_> = words.take(MOST_LISTED).map(clean).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: VmId = VmId::Uuid(uuid::Uuid::from_u128(0xABCD));
    const TWIN: VmId = VmId::Process { pid: 7, start: 1 };
    const DB: VmId = VmId::Process { pid: 8, start: 1 };
    const VMS: [(&str, VmId); 3] = [("web", WEB), ("web", TWIN), ("db", DB)];

    fn chosen(typed: &str, vms: &[(&str, VmId)]) -> Result<VmId, String> {
        let one = choose(typed, vms, |(name, id)| Candidate::new(name, *id));
        one.map(|(_, id)| *id).map_err(|error| error.to_string())
    }

    #[test]
    fn a_vm_is_chosen_by_id_or_by_its_name_if_it_is_the_only_one() {
        let uuid = "00000000-0000-0000-0000-00000000abcd";
        assert_eq!(chosen(uuid, &VMS), Ok(WEB));
        assert_eq!(chosen(&uuid.to_uppercase(), &VMS), Ok(WEB));
        assert_eq!(chosen("7", &VMS), Ok(TWIN));
        assert_eq!(chosen("db", &VMS), Ok(DB));
        assert_eq!(chosen("8", &[("8", TWIN), ("db", DB)]), Ok(DB), "ids go before names");
    }

    #[test]
    fn a_vm_is_chosen_by_what_its_platform_calls_it() {
        let labels = |id: Option<&str>, name: &str, project: Option<&str>| VmLabels {
            id: id.map(str::to_owned),
            name: Some(name.to_owned()),
            project: project.map(str::to_owned),
            ..VmLabels::default()
        };
        let vms = [
            ("billing", WEB, labels(Some("2207"), "billing", None)),
            ("shop_web", TWIN, labels(None, "web", Some("shop"))),
            ("test_web", DB, labels(None, "web", Some("test"))),
            ("other", VmId::Process { pid: 2207, start: 1 }, VmLabels::default()),
        ];
        let chosen = |typed: &str, vms: &[(&str, VmId, VmLabels)]| {
            let one =
                choose(typed, vms, |(name, id, labels)| Candidate::new(name, *id).called(labels));
            one.map(|(_, id, _)| *id).map_err(|error| error.to_string())
        };
        assert_eq!(chosen("2207", &vms[..3]), Ok(WEB));
        assert_eq!(chosen("billing", &vms), Ok(WEB));
        assert_eq!(chosen("test/web", &vms), Ok(DB));
        assert_eq!(chosen("shop_web", &vms), Ok(TWIN));
        let ambiguous = "several VMs are named \"web\"; give one of: 7 (shop/web), 8 (test/web)";
        assert_eq!(chosen("web", &vms), Err(ambiguous.to_owned()));
        assert_eq!(chosen("2207", &vms), Ok(WEB), "any process may have that number");
        let titles = "no VM \"app\"; VMs: billing, shop/web (shop_web), test/web (test_web), other";
        assert_eq!(chosen("app", &vms), Err(titles.to_owned()));
    }

    #[test]
    fn an_identity_goes_before_what_another_calls_itself() {
        let uuid = "00000000-0000-0000-0000-00000000abcd";
        let posing = VmLabels { id: Some(uuid.to_owned()), ..VmLabels::default() };
        let vms = [("web", WEB, VmLabels::default()), ("x", TWIN, posing)];
        let one = choose(uuid, &vms, |(name, id, labels)| Candidate::new(name, *id).called(labels));
        assert_eq!(one.map(|(_, id, _)| *id), Ok(WEB));
    }

    #[test]
    fn a_number_is_the_better_ones_whether_it_is_its_platforms_or_its_process() {
        let number = VmLabels { id: Some("2207".to_owned()), ..VmLabels::default() };
        let none = VmLabels::default();
        for (standing, taken) in [(2, 1), (1, 0), (0, 0)] {
            let posing = Called { name: "x", labels: &number, process: Some(8), standing };
            let own = Called { name: "y", labels: &none, process: Some(2207), standing: 1 };
            let usurped = super::usurped(&[posing, own]);
            assert_eq!(usurped.len(), taken, "{usurped:?}");
            assert!(usurped.iter().all(|one| (one.vm, one.word) == (0, Word::Id)));
        }
    }

    #[test]
    fn a_word_is_of_whoever_stands_better_whatever_it_is_there() {
        let labels = |id: &str, name: &str, project: Option<&str>| VmLabels {
            id: Some(id.to_owned()).filter(|id| !id.is_empty()),
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            project: project.map(str::to_owned),
            ..VmLabels::default()
        };
        let billing = labels("2207", "Archive", None);
        let cart = labels("", "vm-cart", Some("shop"));
        let usurped = |name: &str, other: &VmLabels, standing: u8| {
            let of = |name, labels, standing| Called { name, labels, process: None, standing };
            let vms =
                [of(name, other, standing), of("db", &billing, 1), of("shop_vm-cart", &cart, 1)];
            let taken = super::usurped(&vms).into_iter();
            taken.map(|one| (one.vm, one.owner, one.word, one.text)).collect::<Vec<_>>()
        };
        let none = VmLabels::default();
        let of = |owner, word, text: &str| (0, owner, word, text.to_owned());
        assert_eq!(usurped("Archive", &none, 2), [of(1, Word::Name, "Archive")]);
        assert_eq!(usurped("2207", &none, 2), [of(1, Word::Name, "2207")]);
        assert_eq!(usurped("x", &labels("db", "", None), 2), [of(1, Word::Id, "db")]);
        let taken = usurped("x", &labels("shop/vm-cart", "vm-cart", None), 2);
        assert_eq!(taken, [of(2, Word::Id, "shop/vm-cart"), of(2, Word::Title, "vm-cart")]);
        let aliased =
            VmLabels { platform_name: Some("db".to_owned()), ..labels("", "y", Some("p")) };
        assert_eq!(usurped("x", &aliased, 2), [of(1, Word::PlatformTitle, "db")]);
        assert_eq!(usurped("other", &labels("7", "a", Some("b")), 2), []);
        assert_eq!(usurped("Archive", &labels("2207", "db", None), 1), [], "they stand alike");
    }

    #[test]
    fn an_unknown_or_ambiguous_name_is_answered_with_the_candidates() {
        assert_eq!(chosen("app", &VMS), Err("no VM \"app\"; VMs: web, web, db".to_owned()));
        assert_eq!(chosen("app", &[]), Err("no VM \"app\": there are no VMs".to_owned()));
        let ambiguous = "several VMs are named \"web\"; give one of: \
                         00000000-0000-0000-0000-00000000abcd, 7";
        assert_eq!(chosen("web", &VMS), Err(ambiguous.to_owned()));
        let many = vec![("vm", DB); 23];
        assert!(chosen("app", &many).is_err_and(|error| error.ends_with("vm and 3 more")));
    }
}
