import Failover
import Foundation
import Operations
import Replication
import Salvage
import Testing

@testable import Daemon

@Suite struct MemoryFileTests {
    private static let memory = Memory(
        epoch: .max, wasMaster: true,
        lineage: [Memory.Lineage(id: String(repeating: "a", count: 40), offset: 123), .init(id: "b", offset: .max)],
        isPaused: true,
        promotion: Memory.Promoted(
            RememberedPromotion(masterRunID: "c", replicationID: "d", offset: 5), of: "e"),
        discarded: Memory.Discarded(
            epoch: 7, lost: LossAmendment(bytes: 310, commands: nil), isCopied: true, runID: "r1"))

    private func reading(_ folder: TestFolder) -> String {
        switch MemoryFile(folder: folder.path, router: "redis").read() {
        case .memory(let memory): "\(memory)"
        case .none: "none"
        case .unusable(let reason): reason.replacing(folder.path, with: "FOLDER")
        }
    }

    @Test func `what is written is read`() throws {
        let folder = try TestFolder()
        #expect(reading(folder) == "none")
        let file = MemoryFile(folder: folder.path, router: "redis")
        try file.write(Memory())
        try file.write(Self.memory)
        #expect(reading(folder) == "\(Self.memory)")
        // Nothing is left beside it.
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["log", "memory-redis.json"])
    }

    @Test func `a file of before there were promotions is read`() throws {
        let folder = try TestFolder()
        try folder.write(
            #"{"version":1,"epoch":7,"was_master":true,"is_paused":false,"lineage":[]}"#, to: "memory-redis.json")
        #expect(reading(folder) == "\(Memory(epoch: 7, wasMaster: true))")
    }

    @Test(arguments: [
        #"{"version":1,"epoch":1,"was_master":true,"is_paused":false,"lineage":[],"promotion":{"offset":1}}"#,
        "", "{", "[]", "nonsense", #"{"version":1}"#,
        #"{"version":1,"epoch":-1,"was_master":false,"is_paused":false,"lineage":[]}"#,
        #"{"version":1,"epoch":1e30,"was_master":false,"is_paused":false,"lineage":[]}"#,
        #"{"version":1,"epoch":1,"was_master":"no","is_paused":false,"lineage":[]}"#,
    ])
    func `what is no memory is said to be none`(text: String) throws {
        let folder = try TestFolder()
        try folder.write(text, to: "memory-redis.json")
        #expect(reading(folder) == "FOLDER/memory-redis.json: no memory of a node")
    }

    @Test func `a memory of another version is not guessed at`() throws {
        let folder = try TestFolder()
        try folder.write(
            #"{"version":2,"epoch":1,"was_master":false,"is_paused":false,"lineage":[]}"#, to: "memory-redis.json")
        #expect(reading(folder) == "FOLDER/memory-redis.json: version 2 is not known")
    }

    @Test func `an enormous file is not read`() throws {
        let folder = try TestFolder()
        try folder.write(String(repeating: " ", count: 1 << 21), to: "memory-redis.json")
        #expect(reading(folder) == "cannot read FOLDER/memory-redis.json: File too large")
    }

    @Test func `one that cannot be used is kept beside`() throws {
        let folder = try TestFolder()
        try folder.write("{", to: "memory-redis.json")
        MemoryFile(folder: folder.path, router: "redis").setAside()
        #expect(reading(folder) == "none")
        #expect(folder.text("memory-redis.json.unusable") == "{")
    }

    @Test func `a disk that is full is an error, and the old memory stays`() throws {
        let folder = try TestFolder()
        let file = MemoryFile(folder: folder.path, router: "redis")
        try file.write(Self.memory)
        // A folder in the place of the new file: it cannot be written.
        mkdir("\(folder.path)/memory-redis.json.new", 0o700)
        #expect(throws: FileTrouble.self) { try file.write(Memory()) }
        #expect(reading(folder) == "\(Self.memory)")
    }
}
