//! SSH channel messages and what the data ones carry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::ssh::{Content, Message};

fuzz_target!(|data: &[u8]| {
    let Ok(message) = Message::parse(data) else { return };
    assert!(!message.to_string().is_empty());
    let mut room = vec![0; data.len() + 64];
    let len = message.emit(&mut room).expect("what was read can be written");
    assert_eq!(Message::parse(&room[..len]), Ok(message));
    if let Message::Data { content, .. } = message {
        for mode in 0..4 {
            let _ = Content::parse(content, mode);
        }
    }
});
