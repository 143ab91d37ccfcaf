import Foundation
import RedisLab
import Testing

@testable import Daemon

/// The files in `config/` that people copy.
struct ConfigurationReferenceTests {
    private static func text(_ name: String) throws -> String {
        try String(contentsOfFile: "\(RedisVersion.packageRoot)/config/\(name)", encoding: .utf8)
    }

    /// The keys of the reference by section: those that are given, those with a default, those with an example.
    private static func keys(of text: String) -> [String: Set<String>] {
        var section = ""
        var keys: [String: Set<String>] = ["": []]
        for line in text.split(separator: "\n") {
            if let header = line.wholeMatch(of: /(\[\[?[a-z_.]+\]\]?)/) {
                section = String(header.1)
                keys[section, default: []] = keys[section] ?? []
            } else if let key = line.prefixMatch(of: #/(# e\.g\. |#)?([a-z_]+) = /#) {
                keys[section, default: []].insert(String(key.2))
            }
        }
        return keys
    }

    private static let sectionNames: Set = ["control", "log", "real_time", "virtual_router", "local", "peer", "hooks"]

    @Test func `the reference has every key that is known, and no other`() throws {
        let keys = Self.keys(of: try Self.text("syncgate.reference.toml"))
        for (header, known) in ConfigurationSchema.sections {
            var expected = Set(known).subtracting(Self.sectionNames)
            // The peer's url has no default, and all others are there as in local.
            if header == "[virtual_router.peer]" { expected = Set(known) }
            #expect(keys[header] == expected, "\(header)")
        }
        #expect(Set(keys.keys) == Set(ConfigurationSchema.sections.map(\.header)))
    }

    @Test func `each default that the reference states is the default`() throws {
        let text = try Self.text("syncgate.reference.toml")
        let stated = text.replacing(#/(?m)^#([a-z_]+ = )/#) { $0.1 }
        #expect(stated.count < text.count - 25, "they were uncommented")
        let plain = try Sample.read(text)
        #expect(try Sample.read(stated) == plain)
        #expect(plain == (try Sample.read(Sample.smallest)))
    }

    @Test func `a default that is stated wrongly would be seen`() throws {
        let text = try Self.text("syncgate.reference.toml")
        // Each one in turn with another value: then the two readings differ.
        let others: [(Regex<Substring>, String)] = [
            (/"[0-9]+ms"/, "\"120ms\""), (/"[0-9]+s"/, "\"17s\""), (/\bfalse\b/, "true"), (/\btrue\b/, "false"),
        ]
        for line in text.split(separator: "\n") where line.wholeMatch(of: /#[a-z_]+ = .*/) != nil {
            guard let other = others.first(where: { line.contains($0.0) }) else { continue }
            let changed = String(line.dropFirst()).replacing(other.0, with: other.1)
            let section = try Sample.read(
                text.replacing(line, with: changed).replacing("#enabled = false", with: "enabled = true")
                    .replacing("#preempt = false", with: "preempt = true"))
            let plain = try Sample.read(
                text.replacing("#enabled = false", with: "enabled = true").replacing(
                    "#preempt = false", with: "preempt = true"))
            if line.hasPrefix("#enabled") || line.hasPrefix("#preempt =") { continue }
            #expect(section != plain, "\(changed)")
        }
    }

    @Test func `each example of the reference is possible`() throws {
        let text = try Self.text("syncgate.reference.toml")
        var count = 0
        let examples = text.split(separator: "\n").filter { $0.hasPrefix("# e.g. ") }
        for example in examples {
            let key = example.dropFirst("# e.g. ".count).prefix { $0 != " " }
            // What goes together.
            let needed: [String: String] = [
                "user": "password = \"x\"", "auth_pass": "", "ca_file": "", "cert_file": "key_file = \"/k\"",
                "key_file": "cert_file = \"/c\"",
            ]
            let tls = ["ca_file", "cert_file", "key_file", "server_name"].contains(String(key))
            var sample = text.replacing(
                example, with: example.dropFirst("# e.g. ".count) + "\n" + (needed[String(key)] ?? ""))
            if key == "auth_pass" { sample = sample.replacing("#version = 3", with: "version = 2") }
            if tls {
                sample = sample.replacing("#url = \"redis:", with: "url = \"rediss:")
                    .replacing("\nurl = \"redis:", with: "\nurl = \"rediss:")
            }
            let folder = NSTemporaryDirectory() + "/syncgate-\(getpid())-examples"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try "x".write(toFile: "\(folder)/password", atomically: false, encoding: .utf8)
            sample = sample.replacing("/etc/syncgate/password", with: "\(folder)/password")
            let surroundings = Sample.surroundings(["SYNCGATE_PASSWORD": "x", "SYNCGATE_PEER_PASSWORD": "x"])
            let file = try ConfigurationFile(text: sample, path: "/x.toml", surroundings: surroundings)
            let changes = ConfigurationChanges(from: try Sample.read(text), to: file.configuration)
            // The name is the machine's own in the tests.
            #expect(key == "node" || !changes.isEmpty, "\(example)")
            count += 1
        }
        #expect(count >= 20)
    }

    @Test func `the smallest file works, and is the same as all defaults`() throws {
        #expect(try Sample.read(try Self.text("syncgate.toml")) == (try Sample.read(Sample.smallest)))
        let file = try Sample.file(try Self.text("syncgate.toml"))
        #expect(file.warnings.isEmpty)
    }

    /// Each key with a value of a wrong type is refused with its name: so none is forgotten by the reader.
    @Test func `every key is read`() throws {
        for (header, keys) in ConfigurationSchema.sections {
            for key in keys {
                let line = "\(key) = 1979-05-27\n"
                let text =
                    switch header {
                    case "": line + Sample.smallest
                    case "[[virtual_router]]":
                        Sample.smallest.replacing(try Regex("\n\(key) = .*"), with: "")
                            .replacing("[[virtual_router]]\n", with: "[[virtual_router]]\n\(line)")
                    case "[virtual_router.peer]":
                        Sample.smallest.replacing(key == "url" ? "url = \"redis://198.51.100.2\"" : "$", with: "")
                            + "\n" + line
                    default: Sample.smallest + "\n\(header)\n" + line
                    }
                let error = #expect(throws: ConfigurationError.self, "\(header) \(key)") { _ = try Sample.read(text) }
                let found = error?.problems.contains {
                    guard case .wrongType = $0.kind else {
                        if case .syntax = $0.kind { return key == "virtual_router" || key == "peer" }
                        return false
                    }
                    return $0.key.split(separator: ".").last.map(String.init)?.hasPrefix(key) == true
                }
                #expect(found == true, "\(header) \(key): \(error.map { "\($0)" } ?? "accepted")")
            }
        }
    }
}
