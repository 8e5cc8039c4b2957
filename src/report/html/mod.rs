pub fn html(_: &crate::measure::result::RunResult) -> String { String::new() }
