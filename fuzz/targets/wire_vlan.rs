//! 802.1Q tags, which need the EtherType behind them to be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::vlan::{LEN, Tag};

fuzz_target!(|data: &[u8]| {
    let Ok(tag) = Tag::parse(data) else { return };
    let mut room = [0; LEN + 2];
    assert_eq!(tag.emit(&mut room), Ok(LEN));
    assert_eq!(Tag::parse(&room), Ok(tag));
    assert_eq!(Tag::from_tci(tag.tpid, tag.tci()), tag);
    assert!(!tag.to_string().is_empty());
});
