//! Configurations with new bounds: comments stay, and invalid files are refused.

use super::*;
use crate::command::advise::vm::tests::advised;

const MIB: u64 = 1 << 20;

fn bounds(name: &str, minimum: u64, maximum: u64) -> Bounds {
    let (minimum, maximum) = (Bytes(minimum * MIB), Bytes(maximum * MIB));
    let uuid = Some(Uuid::from_u128(7));
    Bounds { name: name.to_owned(), uuid, unique: true, minimum, maximum }
}

fn edit(text: &str, bounds: &[Bounds]) -> Result<String, String> {
    let edited = super::edited(Path::new("memtrace.toml"), text, bounds);
    edited
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

const COMMENTED: &str = "\
# Of this host.
mode = \"observe\"  # for now

[policy]
soft = 25

# The web server.
[[vm]]
name = \"web\"
# Never less.
minimum = \"1GiB\"  # since May
weight = 2000

[[vm]] # databases
match = \"^db-\"
priority = \"high\"
";

#[test]
fn bounds_go_where_the_vm_is_and_comments_stay() {
    let edited = edit(COMMENTED, &[bounds("web", 1536, 4096), bounds("db-1", 512, 2480)]);
    let edited = edited.expect("it is fine");
    let comments = COMMENTED.lines().filter_map(|line| line.split_once('#'));
    for (_, comment) in comments {
        assert!(edited.contains(comment), "{comment} in {edited}");
    }
    insta::assert_snapshot!(edited);
}

#[test]
fn the_diff_shows_what_changes_and_nothing_where_nothing_does() {
    let file = Path::new("memtrace.toml");
    let wanted = [bounds("web", 1536, 4096)];
    let edited = edit(COMMENTED, &wanted).expect("it is fine");
    insta::assert_snapshot!(diff(file, COMMENTED, &edited));
    assert_eq!(edit(&edited, &wanted).as_ref(), Ok(&edited), "it is said already");
    assert_eq!(diff(file, &edited, &edited), "");
}

#[test]
fn an_empty_file_gets_its_first_table() {
    let edited = edit("", &[bounds("we\"b", 512, 1024)]).expect("it is fine");
    assert_eq!(edited, "[[vm]]\nname = 'we\"b'\nminimum = \"512MiB\"\nmaximum = \"1GiB\"\n");
}

#[test]
fn trailing_comments_stay_before_the_new_table() {
    let text = "libvirt = false\n\n# Tables of VMs.\n#[[vm]]\n#name = \"a\"\n";
    let edited = edit(text, &[bounds("web", 512, 1024)]).expect("it is fine");
    let table = "\n[[vm]]\nname = \"web\"\nminimum = \"512MiB\"\nmaximum = \"1GiB\"\n";
    assert_eq!(edited, format!("{text}{table}"));
}

#[test]
fn the_sample_of_a_configuration_keeps_all_that_it_says() {
    let sample = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/memtrace.toml"));
    let edited = edit(sample, &[bounds("web", 512, 1024)]).expect("it is fine");
    assert!(edited.starts_with(sample), "{}", diff(Path::new("a"), sample, &edited));
}

#[test]
fn a_later_table_that_says_otherwise_is_overruled() {
    let text = "[[vm]]\nname = \"web\"\n\n[[vm]]\nmatch = \"w\"\nmaximum = \"1GiB\"\n";
    let edited = edit(text, &[bounds("web", 512, 2048)]).expect("it is fine");
    let config = Config::of_text(Path::new("a"), &edited).expect("it is fine");
    let said = VmSettings::of(&config.rules.vms, "web", None);
    assert_eq!(said.maximum, Some(Bytes(2048 * MIB)));
    assert_eq!(edited.matches("[[vm]]").count(), 3, "{edited}");
}

#[test]
fn a_table_by_uuid_is_about_it_too() {
    let text = "[[vm]]\nuuid = \"00000000-0000-0000-0000-000000000007\"\n";
    let edited = edit(text, &[bounds("web", 512, 2048)]).expect("it is fine");
    assert_eq!(edited, format!("{text}minimum = \"512MiB\"\nmaximum = \"2GiB\"\n"));
}

#[test]
fn two_vms_of_one_name_are_distinguished_by_uuid() {
    let mut vms = [advised(20.0), advised(20.0)];
    for (vm, uuid) in vms.iter_mut().zip([7, 8]) {
        vm.name = "web".to_owned();
        vm.uuid = Some(Uuid::from_u128(uuid).to_string());
    }
    let (bounds, _) = super::bounds(&vms);
    let edited = edit("[[vm]]\nname = \"web\"\n", &bounds).expect("it is fine");
    assert_eq!(edited.matches("uuid = ").count(), 2, "{edited}");
    for vm in &mut vms {
        vm.uuid = None;
    }
    assert_eq!(super::bounds(&vms).1, ["web", "web"]);
}

#[test]
fn a_broken_file_is_refused_with_line_and_key() {
    let refused = |text| edit(text, &[bounds("web", 512, 2048)]).expect_err("it is refused");
    let key = refused("mode = \"observe\"\n[policy]\nsotf = 20\n");
    assert!(key.starts_with("memtrace.toml:3:1: policy.sotf"), "{key}");
    let broken = refused("mode = \"observe\"\nmode\n");
    assert!(broken.starts_with("memtrace.toml:2:"), "{broken}");
    let list = refused("vm = [{ name = \"web\" }]\n");
    assert!(list.contains("vm: must be written as [[vm]] tables"), "{list}");
}

#[test]
fn uncertain_bounds_are_left_out() {
    let named = |days| VmAdvice { name: "web".to_owned(), ..advised(days) };
    assert_eq!(super::bounds(&[named(2.0)]), (Vec::new(), vec!["web".to_owned()]));
    let (sure, left_out) = super::bounds(&[named(20.0)]);
    assert_eq!((sure.len(), left_out.len()), (1, 0));
}
