//! Which rounds the figures rest on, in words.

use super::number::{Unit, plural};
use crate::measure::foreign::NOISY;
use crate::measure::result::{Ended, RoundsResult, RunResult};

/// How many rounds there were, which count, and why there were no more; nothing of older results.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let Some(rounds) = &run.rounds else { return Vec::new() };
    if rounds.measurements == 0 {
        return Vec::new();
    }
    let mut out = vec![format!("Rounds: {}.", why(rounds))];
    if rounds.noisy > 0 {
        let left_out = match (rounds.noisy_left_out, rounds.ended) {
            (true, _) => "they are left out of all figures and stay in result.json",
            (false, Ended::Exact) => "they count, since the lab asks for exactly so many rounds",
            (false, _) => "they count, since there were too few quiet ones",
        };
        out.push(format!(
            "Noise: during {} of {} other programs or the hypervisor took more than {} of the machine; {left_out}.",
            plural(u64::from(rounds.noisy), "measurement"),
            rounds.measurements,
            Unit::PERCENT.show(NOISY)
        ));
    }
    out
}

fn why(rounds: &RoundsResult) -> String {
    let counted = rounds.run.saturating_sub(rounds.warm_up);
    let warm_up = if rounds.warm_up > 0 { ", after one to warm up" } else { "" };
    let until = Unit::PERCENT.show(rounds.until.unwrap_or_default());
    let widest = rounds.widest.map(|widest| Unit::PERCENT.show(widest));
    let widest = widest.map(|w| format!("; the widest is ±{w}")).unwrap_or_default();
    let ended = match rounds.ended {
        Ended::Exact => "as many as the lab asks for".to_owned(),
        Ended::Narrow => format!("until every median was known within ±{until}{widest}"),
        Ended::Most if !rounds.noisy_left_out => {
            "twice the most that the lab asks for, since too few were quiet".to_owned()
        }
        Ended::Most => {
            format!(
                "the most that the lab allows; not every median is known within ±{until}{widest}"
            )
        }
        Ended::Limit => format!(
            "all that the lab's time allows; not every median is known within ±{until}{widest}"
        ),
        Ended::Interrupted => "then it was interrupted".to_owned(),
    };
    format!("{}{warm_up}, {ended}", plural(u64::from(counted), "round"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_and_the_noise_are_told() {
        let mut rounds = RoundsResult {
            run: 9,
            warm_up: 1,
            noisy: 3,
            measurements: 90,
            noisy_left_out: true,
            until: Some(0.05),
            widest: Some(0.041),
            ended: Ended::Narrow,
        };
        assert_eq!(
            why(&rounds),
            "8 rounds, after one to warm up, until every median was known within ±5.00 %; the \
             widest is ±4.10 %"
        );
        let fixture = include_str!("../../tests/fixtures/result.json");
        let run = super::super::read(fixture).unwrap();
        assert!(sentences(&run).is_empty(), "a result of an older version");
        let with = |rounds| sentences(&RunResult { rounds: Some(rounds), ..run.clone() });
        let told = with(rounds.clone());
        assert!(
            told[1].contains("3 measurements of 90") && told[1].contains("left out"),
            "{told:?}"
        );
        rounds.noisy_left_out = false;
        assert!(with(rounds)[1].contains("too few quiet ones"));
    }
}
