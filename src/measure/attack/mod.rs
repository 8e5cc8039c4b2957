//! Attacks: forged packets sent from a VM or a host, and watching where they, and the frames of
//! those attacked, turn up.
//!
//! What is sent is made by the caller; every frame carries a [`Token`], so that each is known wherever
//! it is seen, in whatever packet.

mod lookout;
mod poison;
mod volley;
mod wiretap;

pub use lookout::{Lookout, Seen, Spot};
pub use poison::{Claim, Talker, claim, mac_of};
pub use volley::{From, Gun};
pub use wiretap::{Stream, Wiretap};

pub use super::isolation::token::Token;
