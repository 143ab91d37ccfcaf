import Glibc
import LinuxNet
import Synchronization
import VRRP

// Not in Swift's Glibc, which is imported without _GNU_SOURCE.
@_silgen_name("unshare") private func unshare(_ flags: Int32) -> Int32
@_silgen_name("setns") private func setns(_ namespace: Int32, _ type: Int32) -> Int32
private let newNetwork: Int32 = 0x4000_0000

/// What a test needs and cannot have.
struct LabError: Error, CustomStringConvertible {
    var description: String

    static func system(_ call: String) -> LabError {
        LabError(description: "\(call): \(String(cString: strerror(errno)))")
    }
}

/// Two network namespaces, in each of them an `eth0`; the two are the ends of one cable. Addresses: 198.51.100.1/24 and
/// 2001:db8::1/64 in node 1, .2 and ::2 in node 2, and link-local ones.
///
/// The namespaces have no names: they go when their last descriptor is closed, with everything in them, even when the
/// tests are killed. The pool's threads never enter one; each visit is a thread of its own.
final class TwoNodes: Sendable {
    private let namespaces: [Int32]

    /// nil where this machine has the rights and the tools; else what is missing.
    static let whyUnavailable: String? = {
        guard access("/usr/sbin/ip", X_OK) == 0 || access("/sbin/ip", X_OK) == 0 else {
            return "needs the command ip (package iproute2)"
        }
        do {
            try onOwnThread { guard unshare(newNetwork) == 0 else { throw LabError.system("unshare") } }
            return nil
        } catch {
            return "needs the right to make network namespaces (root): \(error)"
        }
    }()
    static var isAvailable: Bool { whyUnavailable == nil }

    /// Both nodes, connected, addresses usable.
    init(withAddresses: Bool = true) throws {
        namespaces = try (0..<2).map { _ in
            try onOwnThread {
                guard unshare(newNetwork) == 0 else { throw LabError.system("unshare") }
                let namespace = Glibc.open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
                guard namespace >= 0 else { throw LabError.system("open /proc/thread-self/ns/net") }
                return namespace
            }
        }
        try ip(1, "link add eth0 type veth peer name eth0 netns /proc/\(getpid())/fd/\(namespaces[1])")
        for node in 1...2 {
            try ip(node, "link set lo up")
            // The link-local address is there at once.
            try set(node, "ipv6/conf/eth0/accept_dad", "0")
            try ip(node, "link set eth0 up")
            guard withAddresses else { continue }
            try ip(node, "addr add 198.51.100.\(node)/24 dev eth0")
            try ip(node, "addr add 2001:db8::\(node)/64 dev eth0 nodad")
        }
        for node in 1...2 where withAddresses {
            try waitUntil("node \(node) has a link-local address") { try linkLocal(node) != nil }
        }
    }

    deinit { namespaces.forEach { close($0) } }

    /// A second cable, without addresses but link-local ones.
    func addCable(_ name: String) throws {
        try ip(1, "link add \(name) type veth peer name \(name) netns /proc/\(getpid())/fd/\(namespaces[1])")
        for node in 1...2 { try ip(node, "link set \(name) up") }
    }

    /// Runs `body` inside a node, on a thread of its own, and waits for it. Sockets that it opens stay in that node and
    /// can be used from anywhere.
    func on<T: ~Copyable>(_ node: Int, _ body: () throws -> T) throws -> T {
        let namespace = namespaces[node - 1]
        return try onOwnThread {
            guard setns(namespace, newNetwork) == 0 else { throw LabError.system("setns") }
            return try body()
        }
    }

    /// Runs `ip` inside a node, to its end; throws with what it says when it fails. Returns what it prints.
    @discardableResult
    func ip(_ node: Int, _ arguments: String) throws -> String {
        try on(node) { try run("ip", arguments.split(separator: " ").map(String.init)) }
    }

    /// Writes a setting below /proc/sys/net of a node.
    func set(_ node: Int, _ setting: String, _ value: String) throws {
        try on(node) {
            let file = Glibc.open("/proc/sys/net/\(setting)", O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { throw LabError.system("open \(setting)") }
            defer { close(file) }
            guard write(file, value, value.utf8.count) > 0 else { throw LabError.system("write \(setting)") }
        }
    }

    func index(_ node: Int, _ name: String = "eth0") throws -> InterfaceIndex {
        try on(node) {
            var netlink = try Netlink()
            guard let link = try netlink.link(named: name) else { throw LabError(description: "no \(name)") }
            return link.index
        }
    }

    func addresses(_ node: Int, _ name: String = "eth0") throws -> [InterfaceAddress] {
        try on(node) {
            var netlink = try Netlink()
            guard let link = try netlink.link(named: name) else { throw LabError(description: "no \(name)") }
            return try netlink.addresses(of: link.index)
        }
    }

    private func linkLocal(_ node: Int) throws -> IPAddress? {
        InterfaceAddress.primary(.ipv6, among: try addresses(node), except: [])
    }

    /// What advertisements of a node are sent from: 198.51.100.1 and .2, and its link-local address.
    func primary(_ node: Int, _ family: AddressFamily) throws -> IPAddress {
        guard let address = InterfaceAddress.primary(family, among: try addresses(node), except: []) else {
            throw LabError(description: "node \(node) has no address")
        }
        return address
    }
}

/// Returns when the condition holds; throws after 10 s.
func waitUntil(_ what: String, _ condition: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(10)
    while try !condition() {
        guard ContinuousClock.now < end else { throw LabError(description: "waited 10 s in vain: \(what)") }
        usleep(2000)
    }
}

/// Runs a program to its end. Inherits the namespace of the calling thread.
@discardableResult
func run(_ program: String, _ arguments: [String]) throws -> String {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw LabError.system("pipe") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    ends.forEach { posix_spawn_file_actions_addclose(&actions, $0) }
    var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var child: pid_t = 0
    let code = posix_spawnp(&child, program, &actions, nil, &argv, environ)
    close(ends[1])
    defer { close(ends[0]) }
    guard code == 0 else { throw LabError(description: "\(program): \(String(cString: strerror(code)))") }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(ends[0], &buffer, buffer.count)
        if count <= 0 { break }
        output += buffer[..<count]
    }
    var status: Int32 = 0
    waitpid(child, &status, 0)
    let text = String(decoding: output, as: UTF8.self)
    guard status == 0 else {
        throw LabError(description: "\(program) \(arguments.joined(separator: " ")): status \(status): \(text)")
    }
    return text
}

/// Runs `body` on a thread that does nothing else, and waits for it: what it does to itself (namespaces, rights, real
/// time) does not reach the threads of the pool.
func onOwnThread<T: ~Copyable>(_ body: () throws -> T) throws -> T {
    try withoutActuallyEscaping(body) { body in
        let visit = Visit(body)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<AnyVisit>.fromOpaque(argument!).takeUnretainedValue().run()
                return nil
            }, Unmanaged<AnyVisit>.passUnretained(visit).toOpaque())
        guard code == 0 else { throw LabError(description: "pthread_create: \(code)") }
        pthread_join(thread, nil)
        return try visit.takeResult()
    }
}

private class AnyVisit {
    func run() {}
}

private final class Visit<T: ~Copyable>: AnyVisit {
    private let body: () throws -> T
    private let result = UnsafeMutablePointer<T>.allocate(capacity: 1)
    private var error: (any Error)?

    init(_ body: @escaping () throws -> T) { self.body = body }

    deinit { result.deallocate() }

    override func run() {
        do { result.initialize(to: try body()) } catch { self.error = error }
    }

    func takeResult() throws -> T {
        if let error { throw error }
        return result.move()
    }
}

/// Says something to another thread, once.
final class Flag: Sendable {
    private let value = Atomic(false)

    func raise() { value.store(true, ordering: .releasing) }
    var isRaised: Bool { value.load(ordering: .acquiring) }
}
