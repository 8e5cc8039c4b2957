//! What a cable does to packets beside carrying them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lab::units::{Delay, Loss, Reorder};

/// How a link is worse than a short cable, in each direction; absent means not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Impaired {
    /// Share of packets lost, each by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Time that each packet is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// How much shorter or longer than `delay` that time may be, all values being equally likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Delay>,
    /// Share of packets that are not delayed at all, and so overtake those that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder: Option<Reorder>,
}

impl Impaired {
    /// Each property, or that of `other` where this has none of its own.
    #[must_use]
    pub fn or(self, other: Impaired) -> Impaired {
        Impaired {
            loss: self.loss.or(other.loss),
            delay: self.delay.or(other.delay),
            jitter: self.jitter.or(other.jitter),
            reorder: self.reorder.or(other.reorder),
        }
    }

    /// Without the properties that are written and come to nothing, such as a loss of 0.
    #[must_use]
    pub fn real(self) -> Impaired {
        Impaired {
            loss: self.loss.filter(|loss| loss.0 > 0),
            delay: self.delay.filter(|delay| delay.0 > 0),
            jitter: self.jitter.filter(|jitter| jitter.0 > 0),
            reorder: self.reorder.filter(|reorder| reorder.0 > 0),
        }
    }

    /// Whether it does anything to a packet.
    #[must_use]
    pub fn any(self) -> bool {
        self.real() != Impaired::default()
    }

    /// Whether it treats the packets of a cable differently, one by one.
    #[must_use]
    pub fn by_packet(self) -> bool {
        Impaired { delay: None, ..self }.any()
    }
}

impl fmt::Display for Impaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delay = self.delay.map(|delay| {
            let jitter = self.jitter.map(|jitter| format!("\u{b1}{jitter}")).unwrap_or_default();
            format!("delay {delay}{jitter}")
        });
        let loss = self.loss.map(|loss| format!("loss {loss}"));
        let reorder = self.reorder.map(|share| format!("reorder {share}"));
        let parts: Vec<String> = delay.into_iter().chain(reorder).chain(loss).collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_nothing_is_nothing() {
        let zero = Impaired { loss: Some(Loss(0)), delay: Some(Delay(0)), ..Impaired::default() };
        assert!(!zero.any());
        let usual = Impaired { loss: Some(Loss(10_000)), delay: Some(Delay(5)), ..zero };
        let own = Impaired { loss: Some(Loss(0)), ..Impaired::default() };
        let real = own.or(usual).real();
        assert_eq!(real, Impaired { delay: Some(Delay(5)), ..Impaired::default() });
        assert!(!real.by_packet() && usual.by_packet());
        let all = Impaired { jitter: Some(Delay(1)), reorder: Some(Reorder(250_000)), ..usual };
        assert_eq!(all.to_string(), "delay 5us\u{b1}1us, reorder 25%, loss 1%");
    }
}
