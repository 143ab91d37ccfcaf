import Glibc

/// Whole files.
enum Files {
    /// Writes a file anew.
    static func write(_ bytes: [UInt8], to path: String) throws(ClientError) {
        guard let file = fopen(path, "w") else { throw .system("open \(path)", errno) }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw .system("write \(path)", errno) }
    }

    /// Reads a file.
    static func read(_ path: String) throws(ClientError) -> [UInt8] {
        guard let file = fopen(path, "r") else { throw .system("open \(path)", errno) }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: ftell(file))
        fseek(file, 0, SEEK_SET)
        guard fread(&bytes, 1, bytes.count, file) == bytes.count else { throw .system("read \(path)", errno) }
        return bytes
    }
}
