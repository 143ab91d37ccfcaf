import Failover
import FoundationEssentials
import Glibc
import Operations
import Replication
import Salvage

/// What a node remembers over a restart, as a file: `memory-<router>.json` in the state folder. Written whole and synced
/// before it takes the place of the old one. All calls may block.
struct MemoryFile: Sendable {
    let path: String

    init(folder: String, router: String) { path = "\(folder)/memory-\(router).json" }

    fileprivate struct Content: Codable {
        var version = 1
        var epoch: UInt64
        var wasMaster: Bool
        var isPaused: Bool
        var lineage: [History]
        /// Not in older files.
        var promotion: Promotion?
        var discarded: Discarded?
        var isCopyPending: Bool?
        var masterRunId: String?

        struct History: Codable {
            var replicationId: String
            var offset: Int64
        }

        struct Discarded: Codable {
            var epoch: UInt64?
            var bytes: Int64
            var commands: Int64?
            var isCopied: Bool
            var runId: String
        }

        struct Promotion: Codable {
            var runId: String
            var masterRunId: String
            var replicationId: String
            var offset: Int64
        }
    }

    /// What was read.
    enum Reading {
        case memory(Memory)
        /// There is none: a first start.
        case none
        /// There is one that cannot be used: the reason.
        case unusable(String)
    }

    func read() -> Reading {
        let bytes: [UInt8]?
        do throws(FileTrouble) { bytes = try Files.read(path, limit: 1 << 20) } catch { return .unusable("\(error)") }
        guard let bytes else { return .none }
        do {
            let content = try JSONText.decode(Content.self, from: bytes)
            guard content.version == 1 else { return .unusable("\(path): version \(content.version) is not known") }
            return .memory(
                Memory(
                    epoch: content.epoch, wasMaster: content.wasMaster,
                    lineage: content.lineage.map { Memory.Lineage(id: $0.replicationId, offset: $0.offset) },
                    isPaused: content.isPaused, promotion: content.promotion.map(Memory.Promoted.init),
                    discarded: content.discarded.map(Memory.Discarded.init),
                    isCopyPending: content.isCopyPending ?? false, masterRunID: content.masterRunId))
        } catch {
            return .unusable("\(path): no memory of a node")
        }
    }

    func write(_ memory: Memory) throws(FileTrouble) {
        let content = Content(
            epoch: memory.epoch, wasMaster: memory.wasMaster, isPaused: memory.isPaused,
            lineage: memory.lineage.map { Content.History(replicationId: $0.id, offset: $0.offset) },
            promotion: memory.promotion.map(Content.Promotion.init),
            discarded: memory.discarded.map(Content.Discarded.init), isCopyPending: memory.isCopyPending,
            masterRunId: memory.masterRunID)
        try Files.replace(path, with: Array((JSONText.encode(content, pretty: true) + "\n").utf8))
    }

    /// Puts one that cannot be used aside, so that it can be looked at; where that fails it will be overwritten.
    func setAside() { _ = rename(path, path + ".unusable") }
}

extension MemoryFile.Content.Promotion {
    fileprivate init(_ promoted: Memory.Promoted) {
        let promotion = promoted.promotion
        self.init(
            runId: promoted.runID, masterRunId: promotion.masterRunID, replicationId: promotion.replicationID,
            offset: promotion.offset)
    }
}

extension Memory.Promoted {
    fileprivate init(_ content: MemoryFile.Content.Promotion) {
        self.init(
            RememberedPromotion(
                masterRunID: content.masterRunId, replicationID: content.replicationId, offset: content.offset),
            of: content.runId)
    }
}

extension MemoryFile.Content.Discarded {
    fileprivate init(_ discarded: Memory.Discarded) {
        self.init(
            epoch: discarded.epoch, bytes: discarded.lost.bytes, commands: discarded.lost.commands,
            isCopied: discarded.isCopied, runId: discarded.runID)
    }
}

extension Memory.Discarded {
    fileprivate init(_ content: MemoryFile.Content.Discarded) {
        self.init(
            epoch: content.epoch, lost: LossAmendment(bytes: content.bytes, commands: content.commands),
            isCopied: content.isCopied, runID: content.runId)
    }
}
