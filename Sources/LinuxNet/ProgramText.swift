internal import CLinuxNet
internal import Glibc

/// The code of the running executable in memory.
public enum ProgramText {
    /// Gives back the pages that only the start has used: reading configurations takes more code than everything after it.
    /// They are clean copies of the file; what is used again is mapped again from the page cache, in microseconds. To be
    /// called before memory is locked; afterwards it does nothing.
    public static func release() {
        // It fails where memory is locked, and then nothing was to be given back.
        _ = clinuxnet_release_text(sysconf(Int32(_SC_PAGESIZE)))
    }
}
