//! Geneve headers and the walk over their options.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::geneve::{Header, LEN};

fuzz_target!(|data: &[u8]| {
    let Ok(header) = Header::parse(data) else { return };
    let options = &data[LEN..header.len()];
    overlab_fuzz::round_trip(&data[..header.len()], Header::parse, |header, out| {
        header.emit(options, out)
    });
    let mut walked = 0;
    for option in header.options(data) {
        let Ok(option) = option else { return };
        let mut room = [0; 128];
        walked += option.emit(&mut room).expect("an option that was read");
        assert!(!option.to_string().is_empty());
    }
    assert_eq!(walked, header.options_len);
});
