//! Lines of made-up reports.

use super::*;

fn outcome(lines: &[&str]) -> KernelReport {
    let mut outcome = KernelReport::default();
    for line in lines {
        outcome.take(line);
    }
    outcome
}

const KERNEL: &str = r#"{"step":"kernel","value":"6.1.0"}"#;
const END: &str = r#"{"step":"end","value":null}"#;
const SKIPPED: &str =
    r#"{"step":"scenario","value":{"name":"zswap","seconds":0.0,"skipped":"no zswap"}}"#;
const UNBOOTED: &str =
    r#"{"step":"scenario","value":{"name":"pool","failed":"no answer","booted":false}}"#;
const FAILED: &str =
    r#"{"step":"scenario","value":{"name":"max","failed":"no pressure","booted":true}}"#;

#[test]
fn a_report_is_complete_only_with_its_last_line() {
    assert!(!outcome(&[KERNEL]).complete());
    assert!(outcome(&[KERNEL, END]).complete());
}

#[test]
fn other_lines_are_left_out() {
    let mut outcome = KernelReport::default();
    assert_eq!(outcome.take("[    1.0] a word of the kernel"), None);
    assert_eq!(outcome.take(KERNEL).as_deref(), Some("kernel: 6.1.0"));
}

#[test]
fn only_what_did_not_boot_or_was_not_reached_is_open() {
    let outcome = outcome(&[KERNEL, SKIPPED, UNBOOTED, FAILED]);
    assert_eq!(outcome.open(&["pool", "max", "zswap", "oom"]), ["pool", "oom"]);
}

#[test]
fn a_second_run_takes_the_place_of_the_first() {
    let mut first = outcome(&[KERNEL, UNBOOTED, FAILED]);
    first.failed = Some("the host ended early".to_owned());
    first.merge(outcome(&[
        KERNEL,
        r#"{"step":"scenario","value":{"name":"pool","skipped":"x"}}"#,
        END,
    ]));
    assert_eq!((first.problems().len(), first.failed.is_none(), first.complete()), (1, true, true));
    assert_eq!(first.scenarios.len(), 2);
    assert!(first.to_string().contains("an earlier boot: the host ended early"), "{first}");
}

#[test]
fn a_host_that_compared_nothing_is_not_good() {
    assert!(!outcome(&[KERNEL, END]).good());
    assert!(!outcome(&[KERNEL, FAILED, END]).good());
    let text = outcome(&[KERNEL, r#"{"step":"failed","value":"no swap"}"#, END]).to_string();
    assert!(text.contains("failed: no swap"));
}

#[test]
fn the_self_test_gives_its_table_or_says_why_not() {
    let row = r#"{"signal":"swap_in","subject":"vm","counter":"pages","memtrace":1.0,
        "kernel":1.0,"source":"VmSwap","rule":"at_most","quality":"exact"}"#;
    let line = |document: &str| {
        format!(r#"{{"step":"selftest","value":{{"seconds":1.0,"document":{document}}}}}"#)
    };
    let good = line(&format!(r#"{{"table":{{"rows":[{row}],"skipped":[]}}}}"#));
    assert_eq!(outcome(&[&good]).tables().map(Table::passed).sum::<usize>(), 1);
    assert_eq!(outcome(&[&line("null")]).problems().len(), 1);
}

#[test]
fn the_tests_of_the_programs_are_counted_with_what_failed() {
    let printed = "skipped: the tests that need fentry programs: refused\n\
                   running 3 tests\ntest too_few_slots ... ok\ntest balance ... FAILED\n\
                   test pid_again ... ignored\n\nfailures:\n\n---- balance ----\n\
                   3 is not 4\n\n\nfailures:\n    balance\n\n\
                   test result: FAILED. 1 passed; 1 failed; 1 ignored\n";
    let line = |code: i32, output: &str| {
        let value = serde_json::json!({ "code": code, "output": output, "seconds": 4.0 });
        serde_json::json!({ "step": "programs", "value": value }).to_string()
    };
    let failed = outcome(&[KERNEL, &line(101, printed), END]);
    assert_eq!(failed.problems(), ["programs: balance: 3 is not 4"]);
    assert!(!failed.good());
    let tested = failed.tested();
    assert_eq!((tested.passed, tested.skipped), (1, 1));
    assert_eq!(tested.reasons, ["the tests that need fentry programs: refused"]);
    let good = outcome(&[KERNEL, &line(0, "test a ... ok\ntest result: ok. 1 passed\n"), END]);
    assert!(good.good(), "{:?}", good.problems());
    let cut = outcome(&[KERNEL, &line(101, "test a ... ok\n"), END]);
    assert!(!cut.good(), "it did not come to its end");
    let dead = outcome(&[KERNEL, &line(134, "test result: ok. 1 passed; 0 failed\n"), END]);
    assert_eq!(dead.problems(), ["programs: the tests came to no end, code 134"]);
}
