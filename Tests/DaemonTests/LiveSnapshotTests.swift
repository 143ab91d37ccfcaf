import Testing

@testable import Daemon

/// Whether a snapshot could be kept, by what this process sees of folders.
@Suite struct LiveSnapshotTests {
    @Test func `a snapshot that is there, or was never made, is no trouble`() throws {
        let folder = try TestFolder()
        #expect(LiveSnapshot.trouble(folder.path, "dump.rdb") == nil)
        try folder.write("x", to: "dump.rdb")
        #expect(LiveSnapshot.trouble(folder.path, "dump.rdb") == nil)
    }

    @Test func `a folder that cannot be looked into is named`() throws {
        let folder = try TestFolder()
        #expect(
            LiveSnapshot.trouble("\(folder.path)/missing", "dump.rdb")
                == "keeps its snapshots in \(folder.path)/missing, which this user may not look into")
        try folder.write("x", to: "file")
        #expect(LiveSnapshot.trouble("\(folder.path)/file", "dump.rdb") != nil)
    }

    @Test func `a folder that is not there can be made where the one above it can be written to`() throws {
        let folder = try TestFolder()
        #expect(FilePlace.mayBecomeWritableFolder(folder.path))
        #expect(FilePlace.mayBecomeWritableFolder("\(folder.path)/a/b"))
        try folder.write("x", to: "file")
        #expect(!FilePlace.mayBecomeWritableFolder("\(folder.path)/file"))
        #expect(!FilePlace.mayBecomeWritableFolder("\(folder.path)/file/a"))
    }
}
