//! What becomes of each packet in one direction of a cable: pure, and the same for the same seed.

use std::time::Duration;

use crate::lab::Impaired;

/// Random numbers by `SplitMix64` (Steele, Lea, Flood 2014): the same on every machine and in every
/// version of this program.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody sees it again.
    Lost,
    /// It leaves at once, before those that wait.
    Ahead,
    /// It leaves at this moment, in nanoseconds.
    At(u64),
}

/// One direction of a cable.
#[derive(Debug, Clone)]
pub struct Way {
    /// Out of 2^32.
    loss: u64,
    /// Out of 2^32.
    ahead: u64,
    /// Nanoseconds.
    delay: u64,
    /// Nanoseconds, at most `delay`.
    jitter: u64,
    dice: Dice,
    /// When the last of those that wait leaves, in nanoseconds.
    last: u64,
}

impl Way {
    /// A direction that passes everything on at once.
    #[must_use]
    pub const fn clear() -> Self {
        Way { loss: 0, ahead: 0, delay: 0, jitter: 0, dice: Dice(0), last: 0 }
    }

    /// Does this to packets from now on; what is decided at random begins anew with the seed.
    pub fn impair(&mut self, impaired: Impaired, seed: u64) {
        // Shares are millionths.
        let part = |share: u32| (u64::from(share) << 32) / 1_000_000;
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.loss = impaired.loss.map_or(0, |loss| part(loss.0));
        self.ahead = impaired.reorder.map_or(0, |reorder| part(reorder.0));
        self.delay = impaired.delay.map_or(0, |delay| nanoseconds(delay.time()));
        self.jitter = impaired.jitter.map_or(0, |time| nanoseconds(time.time())).min(self.delay);
        self.dice = Dice(seed);
    }

    /// Decides on the packet that arrived at this moment, in nanoseconds. Each takes three random
    /// numbers whatever the settings are, so that the n-th packet of a seed is lost whatever delays
    /// there are. Packets keep their order, but for those that go ahead: where jitter would let one
    /// overtake, it leaves just behind.
    pub fn fate(&mut self, arrived: u64) -> Fate {
        let [loss, ahead, late] = [self.dice.next(), self.dice.next(), self.dice.next()];
        if loss >> 32 < self.loss {
            return Fate::Lost;
        }
        if ahead >> 32 < self.ahead {
            return Fate::Ahead;
        }
        // Uniform over both ends; the product's upper half scales the number without bias to speak of.
        let span = u128::from(self.jitter) * 2 + 1;
        let offset = u64::try_from((u128::from(late) * span) >> 64).unwrap_or_default();
        let earliest = arrived.saturating_add(self.delay - self.jitter);
        self.last = earliest.saturating_add(offset).max(self.last);
        Fate::At(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Delay, Loss, Reorder};

    const ALL: Impaired = Impaired {
        loss: Some(Loss(100_000)),
        delay: Some(Delay(20_000)),
        jitter: Some(Delay(5_000)),
        reorder: Some(Reorder(250_000)),
    };

    fn fates(impaired: Impaired, seed: u64, every: u64) -> Vec<Fate> {
        let mut way = Way::clear();
        way.impair(impaired, seed);
        (0..10_000).map(|n| way.fate(n * every)).collect()
    }

    #[test]
    fn the_dice_are_those_of_the_reference() {
        // Of the authors' program with the seed 1234567.
        let mut dice = Dice(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_seed_decides_and_another_decides_otherwise() {
        assert_eq!(fates(ALL, 7, 1000), fates(ALL, 7, 1000));
        assert_ne!(fates(ALL, 7, 1000), fates(ALL, 8, 1000));
        let lossy = Impaired { loss: ALL.loss, ..Impaired::default() };
        let lost = |fates: Vec<Fate>| {
            fates
                .iter()
                .enumerate()
                .filter(|(_, f)| **f == Fate::Lost)
                .map(|(n, _)| n)
                .collect::<Vec<_>>()
        };
        assert_eq!(lost(fates(ALL, 7, 1000)), lost(fates(lossy, 7, 5)), "delays change no losses");
    }

    #[test]
    fn shares_are_as_asked_for() {
        let fates = fates(ALL, 3, 1000);
        let count = |fate: Fate| fates.iter().filter(|f| **f == fate).count();
        // Four standard deviations of 10,000 and of the 9,000 that are left.
        assert!((880..=1120).contains(&count(Fate::Lost)), "{}", count(Fate::Lost));
        assert!((2080..=2420).contains(&count(Fate::Ahead)), "{}", count(Fate::Ahead));
    }

    #[test]
    fn delays_are_within_the_jitter_and_order_is_kept() {
        let jittery = Impaired { loss: None, reorder: None, ..ALL };
        // Far apart, so that none has to wait for the one before it.
        let apart: Vec<u64> = fates(jittery, 1, 100_000_000)
            .iter()
            .zip(0u64..)
            .map(|(fate, n)| match fate {
                Fate::At(at) => at - n * 100_000_000,
                other => panic!("{other:?}"),
            })
            .collect();
        let (min, max) = (apart.iter().min().unwrap(), apart.iter().max().unwrap());
        assert!((15_000_000..15_010_000).contains(min), "{min}");
        assert!((24_990_000..=25_000_000).contains(max), "{max}");
        let mean = apart.iter().sum::<u64>() / 10_000;
        assert!((19_880_000..20_120_000).contains(&mean), "{mean}");
        // Close together they would overtake each other.
        let close = fates(jittery, 1, 1000);
        assert!(close.is_sorted_by_key(|fate| match fate {
            Fate::At(at) => *at,
            other => panic!("{other:?}"),
        }));
    }

    #[test]
    fn a_clear_way_lets_everything_pass_at_once() {
        let mut way = Way::clear();
        assert_eq!([way.fate(5), way.fate(6)], [Fate::At(5), Fate::At(6)]);
    }
}
