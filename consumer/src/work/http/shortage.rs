//! What may be short on our own side.

use std::io;

use rustix::io::Errno;

/// The errors with which the system says that this process or this machine has run out of something
/// (socket(2), connect(2)). Whoever is at the other end has no part in any of them.
const SHORTAGES: [Errno; 5] = [
    // Files that this process may have open, and that the whole machine may.
    Errno::MFILE,
    Errno::NFILE,
    // Memory, and the kernel's own for sockets.
    Errno::NOMEM,
    Errno::NOBUFS,
    // Every local port towards that address is taken.
    Errno::ADDRNOTAVAIL,
];

/// Whether this error says that something is short here.
pub(super) fn is_here(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| SHORTAGES.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_here_is_told_from_what_the_other_side_does() {
        for errno in SHORTAGES {
            assert!(is_here(&errno.into()), "{errno}");
        }
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::TIMEDOUT,
            Errno::NETUNREACH,
            Errno::HOSTUNREACH,
            Errno::PIPE,
        ] {
            assert!(!is_here(&errno.into()), "{errno}");
        }
        assert!(!is_here(&io::Error::other("no number at all")));
    }
}
