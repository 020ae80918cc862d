#![no_main]

#[path = "../input.rs"]
#[expect(dead_code, reason = "each target uses one half")]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    input::judge(bytes);
});
